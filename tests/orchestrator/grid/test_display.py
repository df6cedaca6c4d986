"""`display`: what a user calls a level."""

from pathlib import Path

import pytest

from orchestrator.errors import GridError
from orchestrator.grid import GridSpec
from orchestrator.grid.reader import read_text
from orchestrator.grid.schema import grid_schema

GRID = """\
name: demo
axes:
  dataset: digits
  model: mlp
  optimizer: %s
"""


def read(optimizer: str, more: str = "") -> GridSpec:
    return read_text(GRID % optimizer + more, Path("grid.yaml"))


def labels(optimizer: str, more: str = "") -> list[str]:
    return [level.label for level in read(optimizer, more).axes.optimizer]


@pytest.mark.parametrize(
    ("optimizer", "called"),
    [
        ("{name: sgd, lr: 0.1, display: Plain SGD}", ["Plain SGD"]),
        ("{name: sgd, lr: [0.1, 0.2], display: SGD}", ["SGD(lr=0.1)", "SGD(lr=0.2)"]),
        ("{name: sgd, lr: [0.1, 0.2], momentum: 0.9, display: SGD}", ["SGD(lr=0.1)", "SGD(lr=0.2)"]),
        ("[{name: sgd, lr: 0.1, display: Slow}, {name: sgd, lr: 0.2}]", ["Slow", "sgd(lr=0.2)"]),
        ("[{name: sgd, lr: 0.1, display: sgd}, adam]", ["sgd", "adam"]),
        ("[{name: sgd, lr: 0.1, display: Größe 1 (ours)}, adam]", ["Größe 1 (ours)", "adam"]),
        ("{name: sgd, display: '  Two   words '}", ["Two words"]),
        ("[{name: sgd, lr: 0.1, display: A}, {name: sgd, lr: 1e-1, display: A}]", ["A"]),
    ],
)
def test_a_level_is_called_so(optimizer: str, called: list[str]) -> None:
    assert labels(optimizer) == called


def test_a_name_is_no_part_of_the_identity() -> None:
    plain = [level.digest for level in read("{name: sgd, lr: [0.1, 0.2]}").axes.optimizer]
    assert [level.digest for level in read("{name: sgd, lr: [0.1, 0.2], display: X}").axes.optimizer] == plain


def test_an_override_that_changes_a_named_level_shows_what_differs() -> None:
    rule = "overrides: [{when: {model: mlp}, set: {optimizer.momentum: 0.5}}]\n"
    grid = read("{name: sgd, display: SGD}", rule)
    (level,) = grid.axes.optimizer
    (override,) = grid.overrides
    assert level.label == "SGD(momentum=0)"
    assert level.changed(override.components["optimizer"]).label == "SGD(momentum=0.5)"


def test_an_equal_level_elsewhere_has_the_name_too() -> None:
    cell = "include: [{dataset: digits, model: lstm, optimizer: {name: sgd, lr: 0.1}}]\n"
    grid = read("{name: sgd, lr: 0.1, display: SGD}", cell)
    assert [level.label for level in grid.include[0].optimizer] == ["SGD"]


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("{name: sgd, display: 5}", "5:35: display is the name of the level, and has to be text; write it in quotes"),
        ("{name: sgd, display: [a, b]}", "5:35: display is the name of the level, and has to be text"),
        ("{name: sgd, display: ''}", "5:35: display is empty; leave it out, or give the level a name"),
        ("{name: sgd, display: '   '}", "5:35: display is empty"),
        (f"{{name: sgd, display: {'x' * 61}}}", "5:35: display has 61 characters, 60 at most; give a shorter name"),
        (f"{{name: sgd, display: {'x' * 99_999}}}", "5:35: display has 99,999 characters, 60 at most"),
        ('{name: sgd, display: "a\\nb"}', "5:35: a value that contains '\\n', which no name may contain"),
        ('{name: sgd, display: "a\\e[2Jb"}', "5:35: a value that contains '\\x1b'"),
        ('{name: sgd, display: "a\\u202eb"}', "5:35: a value that contains '\\u202e'"),
        ('{name: sgd, display: "<b>SGD</b>"}', "5:35: display may not contain <"),
        ("{name: sgd, display: $x^2$}", "5:35: display may not contain $"),
        ("{name: sgd, display: a|b}", "5:35: display may not contain |"),
        (
            "[{name: sgd, lr: 0.1, display: A}, {name: sgd, lr: 0.2, display: A}]",
            "5:70: display 'A' is already the name of another level (line 5); give each optimizer one name of its own",
        ),
        (
            "[{name: sgd, lr: 0.1, display: A}, {name: adam, display: A}]",
            "5:62: display 'A' is already the name of another level",
        ),
        (
            "[{name: sgd, lr: [0.1, 0.2], display: A}, {name: sgd, lr: 0.2, display: B}]",
            "5:77: this level is already called 'A'",
        ),
        (
            "[{name: sgd, lr: [0.1, 0.2], display: A}, {name: adam, display: A(lr=0.1)}]",
            "5:69: display 'A(lr=0.1)' cannot be distinguished from 'A'",
        ),
        ("[{name: sgd, display: adam}]", "5:27: display 'adam' is what a level of adam without a display is called"),
        ("[{name: sgd, display: adam(lr=0.1)}]", "5:27: display 'adam(lr=0.1)' is what a level of adam without"),
        (
            "[sgd, {name: sgd, lr: 0.5, display: sgd}]",
            "display 'sgd' is what a level of sgd without a display is called",
        ),
    ],
)
def test_a_name_that_is_none_or_another_s_is_refused_where_it_stands(optimizer: str, message: str) -> None:
    with pytest.raises(GridError) as refused:
        read(optimizer)
    (problem,) = refused.value.problems
    assert message in f"{problem.line}:{problem.column}: {problem.message}"
    assert str(problem).isprintable()


def test_regularizers_are_joined_by_a_sign_that_no_name_has() -> None:
    with pytest.raises(GridError, match=r"display may not contain \+, which joins the regularizers of one level"):
        read("sgd", "  regularizer: {name: dropout, display: A+B}\n")
    axes = read("sgd", "  regularizer: [[{name: dropout, display: Drop}, {name: weight_decay, value: 0.1}]]\n").axes
    assert [level.label for level in axes.regularizer] == ["Drop+weight_decay(value=0.1)"]


def test_a_claim_takes_the_name_and_means_that_level_alone() -> None:
    claim = "claims: [{id: H1, text: t, better: {optimizer: %s}, than: {optimizer: %s}, on: test_accuracy}]\n"
    levels = "[{name: sgd, lr: 0.1, momentum: 0.5, display: Ours}, {name: sgd, lr: 0.2}, {name: adam, display: Theirs}]"
    grid = read(levels, claim % ("Ours", "Theirs"))
    (ours,) = grid.claims[0].better.axes["optimizer"]
    (part,) = ours.parts
    assert ours.written == "Ours"
    assert [part.matches(level.parts[0]) for level in grid.axes.optimizer] == [True, False, False]
    with pytest.raises(GridError, match=r"did you mean Ours\?"):
        read(levels, claim % ("Our", "Theirs"))


LEVELS = "[{name: sgd, lr: [0.1, 0.3], display: Ours}, {name: sgd, lr: 0.2}, {name: adam, display: Theirs}]"


@pytest.mark.parametrize(
    ("rule", "meant"),
    [
        ("Ours", [True, True, False, False]),
        ("Theirs", [False, False, False, True]),
        ("[Ours, adam]", [True, True, False, True]),
        ("sgd", [True, True, True, False]),
    ],
)
def test_a_rule_takes_the_name_and_means_those_levels_alone(rule: str, meant: list[bool]) -> None:
    more = (
        f"exclude: [{{optimizer: {rule}}}]\noverrides: [{{when: {{optimizer: {rule}}}, set: {{protocol.epochs: 3}}}}]\n"
    )
    grid = read(LEVELS, more)
    (exclude,), (override,) = grid.exclude, grid.overrides
    for selector in (exclude.selector, override.selector):
        assert [selector.matches("optimizer", level) for level in grid.axes.optimizer] == meant


def test_a_rule_whose_name_means_two_things_is_refused_where_it_stands() -> None:
    levels = "[{name: sgd, lr: 0.1, display: sgd}, {name: sgd, lr: 0.2, display: Other}]"
    message = "6:23: 'sgd' is the display of one level and the component of another; name one by its parameters"
    with pytest.raises(GridError, match=message):
        read(levels, "exclude: [{optimizer: sgd}]\n")
    with pytest.raises(GridError, match="unknown optimizer 'Our'"):
        read(LEVELS, "exclude: [{optimizer: Our}]\n")


def test_a_name_is_no_key_of_a_rule_and_the_schema_knows_it() -> None:
    with pytest.raises(GridError, match=r"exclude\[0\].*unknown parameter of sgd|unknown parameter of sgd"):
        read("{name: sgd, display: A}", "exclude: [{optimizer: {name: sgd, display: A}}]\n")
    levels = grid_schema()["$defs"]["optimizer"]["anyOf"]
    mappings = [level for level in levels if "properties" in level]
    assert mappings and all(level["properties"]["display"]["maxLength"] == 60 for level in mappings)
