"""What a grid may claim, and what a user is told about a claim that cannot be one."""

from pathlib import Path

import pytest

from orchestrator.errors import GridError
from orchestrator.grid import GridSpec, read_grid
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location

AXES = """\
name: demo
axes:
  dataset: [digits, {name: digits, per_class: 10}]
  model: [mlp, {name: cnn, channels: [8]}, {name: resnet, depth: [8, 14]}]
  optimizer: [{name: sgd, lr: [0.1, 0.01]}, adam]
  regularizer: [none, dropout, [dropout, weight_decay]]
seeds: 3
"""
CLAIMS = """\
claims:
  - {id: H1, text: a, better: {model: cnn}, than: {model: [mlp, resnet]}, on: test_accuracy, margin: 0.005}
  - {id: H2, text: b, better: {optimizer: "sgd(lr=0.1)"}, than: {optimizer: {name: sgd, lr: 1e-2}}, on: {reach: 0.9}}
  - {id: H3, text: c, better: {regularizer: dropout}, than: {regularizer: none}, on: accuracy_gap}
  - {id: H4, text: d, better: {regularizer: [[dropout, weight_decay]]}, than: {regularizer: none}, on: test_accuracy,
     more_where: {dataset: {name: digits, per_class: 10}}, less_where: {dataset: {name: digits, per_class: null}}}
  - {id: H5, text: e, over: {model: [{name: resnet, depth: 8}, {name: resnet, depth: 14}]}, on: test_accuracy, trend: falls}
  - {id: H6, text: f, not_worse: {model: cnn}, than: {model: mlp}, on: test_accuracy, margin: 0.01}
  - {id: H7, text: g, higher: {model: cnn}, than: {model: mlp}, on: gradient_norm, where: {optimizer: adam}}
"""


def read(folder: Path, text: str) -> GridSpec:
    path = folder / "grid.yaml"
    path.write_text(text)
    return read_grid(path)


def problems(folder: Path, claims: str, axes: str = AXES) -> list[str]:
    return mistakes(folder, f"{axes}claims:\n{claims}")


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(GridError) as caught:
        read(folder, text)
    return [line.removeprefix(f"{folder}/grid.yaml:") for line in str(caught.value).splitlines()]


def test_each_kind_is_told_by_its_keys(tmp_path: Path) -> None:
    claims = read(tmp_path, AXES + CLAIMS).claims
    assert [claim.kind for claim in claims] == [
        *("difference", "time to target", "gap", "interaction", "trend", "non-inferiority", "difference")
    ]
    assert claims[0].margin == 0.005
    assert claims[1].on.target == 0.9
    assert str(claims[3].first) == "dropout+weight_decay"
    assert claims[3].compared == {"regularizer", "dataset"}
    assert claims[4].over is not None
    assert not claims[4].rises


def test_claims_are_no_part_of_any_identity(tmp_path: Path) -> None:
    place = data_location(None, tmp_path / "grid.yaml", None)
    plain, claiming = (
        [trial.trial_id for trial in Plan(read(tmp_path, text), place).trials()] for text in (AXES, AXES + CLAIMS)
    )
    assert plain == claiming


def test_all_that_is_wrong_is_told_at_once_where_it_stands(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
  - {id: H1, text: a, better: {model: cn}, than: {model: mlp}, on: test_acuracy}
  - {id: H2, text: a, better: {optimizer: {name: sgd, lr: 0.3}}, than: {optimiser: adam}, on: {reach: 0.9, of: val_acuracy}}
  - {id: H3, text: a, better: {regularizer: weight_decay}, on: test_accuracy, mor_where: {dataset: digits}}
  - {id: H4, text: a, better: {model: lstm}, than: {model: {name: mlp, hidden: many}}, on: test_accuracy}
  - H5
""",
    )
    assert [line.partition(": ")[0] for line in found] == [
        *("9:39", "9:68", "10:43", "10:73", "10:95", "11:45", "11:79", "12:39", "12:80", "13:5")
    ]
    assert 'claims[0] is about "cn", which is not a level of model here; did you mean cnn?' in found[0]
    assert "did you mean test_accuracy" in found[1]
    assert "did you mean sgd(lr=0.1)" in found[2]
    assert "did you mean optimizer?" in found[3]
    assert "did you mean val_accuracy" in found[4]
    assert 'is about "weight_decay", which is not a level of regularizer here' in found[5]
    assert "did you mean more_where" in found[6]
    assert 'is about "lstm", which is not a level of model here; known: cnn, mlp, resnet' in found[7]
    assert "hidden" in found[8]


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ("better: {model: cnn}, on: test_accuracy", "needs than"),
        ("than: {model: cnn}, on: test_accuracy", "needs one of better, higher, lower and not_worse"),
        ("on: test_accuracy", "needs better and than, or over"),
        ("better: {model: cnn}, lower: {model: cnn}, than: {model: mlp}, on: test_accuracy", "keep one of them"),
        ("better: {model: cnn}, than: {optimizer: adam}, on: test_accuracy", "have to name the same axes"),
        ("better: {model: resnet}, than: {model: {name: resnet, depth: 8}}, on: test_accuracy", "with themselves"),
        ("better: {dataset: digits}, than: {dataset: {name: digits, per_class: 10}}, on: test_accuracy", "themselves"),
        ("better: {model: cnn}, than: {model: mlp}, on: gradient_norm", "say higher or lower"),
        ("not_worse: {model: cnn}, than: {model: mlp}, on: test_accuracy", "needs a margin"),
        ("over: {model: [cnn]}, on: test_accuracy", "at least two levels in order"),
        ("over: {model: [cnn, mlp], optimizer: [adam, sgd]}, on: test_accuracy", "at most 1"),
        ("better: {model: cnn}, than: {model: mlp}, on: {reach: 0.9}, margin: 1", "it has no margin"),
        ("better: {model: cnn}, than: {model: mlp}, on: test_accuracy, trend: rises", "needs over"),
        ("better: {model: cnn}, than: {model: mlp}, on: test_accuracy, more_where: {dataset: digits}", "less_where"),
        ("better: {model: cnn}, than: {model: mlp}, on: test_accuracy, margin: -1", "at least 0, not -1"),
        ("better: {model: []}, than: {model: mlp}, on: test_accuracy", "an empty list matches nothing"),
    ],
)
def test_what_cannot_be_a_claim_is_refused(tmp_path: Path, claim: str, says: str) -> None:
    found = problems(tmp_path, f"  - {{id: H1, text: a, {claim}}}\n")
    assert any(says in line for line in found), found


def test_an_id_stands_once(tmp_path: Path) -> None:
    claim = "  - {id: H1, text: a, better: {model: cnn}, than: {model: mlp}, on: test_accuracy}\n"
    assert problems(tmp_path, claim * 2) == ["10:5: the claim H1 is already in line 9; use another id"]


def test_a_mistake_on_an_axis_does_not_make_its_claims_wrong_too(tmp_path: Path) -> None:
    claim = "  - {id: H1, text: a, better: {model: cnn}, than: {model: mlp}, on: test_accuracy}\n"
    found = problems(tmp_path, claim, AXES.replace("name: cnn", "name: cnnn"))
    assert len(found) == 1
    assert "did you mean cnn" in found[0]


def test_a_digest_tells_claims_apart_by_what_they_say_and_not_by_their_id(tmp_path: Path) -> None:
    text = AXES + CLAIMS
    first = [claim.digest for claim in read(tmp_path, text).claims]
    named = [claim.digest for claim in read(tmp_path, text.replace("id: H1", "id: CNN")).claims]
    moved = [claim.digest for claim in read(tmp_path, text.replace("0.005", "0.004")).claims]
    assert named == first
    assert moved[1:] == first[1:]
    assert moved[0] != first[0]
    assert len(set(first)) == len(first)


@pytest.mark.parametrize(("seeds", "warned"), [("seeds: 2", True), ("seeds: 8", False)])
def test_seeds_too_few_for_any_verdict_are_told_before_they_run(tmp_path: Path, seeds: str, warned: bool) -> None:
    claim = "  - {id: H1, text: a, better: {model: cnn}, than: {model: mlp}, on: test_accuracy}\n"
    grid = read(tmp_path, f"{AXES.replace('seeds: 3', seeds)}claims:\n{claim}")
    message = [str(warning) for warning in Plan(grid, data_location(None, grid.path, None)).warnings]
    assert any(":9:5: 2 seeds cannot decide any of 1 claims; it takes at least 6" in line for line in message) == warned


_ONE = "claims:\n  - {id: H1, text: a, better: {model: cnn}, than: {model: mlp}, on: test_accuracy}\n"


def test_of_a_family_seeds_have_to_decide_one_of_all_its_claims(tmp_path: Path) -> None:
    grid = read(tmp_path, f"{AXES.replace('seeds: 3', 'seeds: 8')}family: 50000\n{_ONE}")
    message = [str(warning) for warning in Plan(grid, data_location(None, grid.path, None)).warnings]
    assert grid.tests == 50_000
    assert any(
        "8 seeds cannot decide any of 1 claims of a family of 50000; it takes at least 21" in line for line in message
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"family: 0\n{_ONE}", "8:9: family has to be at least 1, not 0"),
        (f"family: many\n{_ONE}", '8:9: family has to be a whole number, not "many"'),
        ("family: 3\n", "8:9: family says how many claims a study makes in all, but this grid makes none"),
        (
            f"family: 1\n{_ONE}  - {{id: H2, text: b, better: {{model: mlp}}, than: {{model: cnn}}, on: test_accuracy}}\n",
            "8:9: family is 1, but this grid alone makes 2 claims; count those of all grids",
        ),
    ],
)
def test_a_family_holds_the_claims_of_its_grid(tmp_path: Path, text: str, message: str) -> None:
    assert mistakes(tmp_path, AXES + text) == [message]


def test_more_seeds_than_there_may_be_cannot_decide_a_large_family(tmp_path: Path) -> None:
    seeds = AXES.replace("seeds: 3", "seeds: {until: decided, most: 8}")
    assert mistakes(tmp_path, f"{seeds}family: 50000\n{_ONE}") == [
        "7:31: seeds.most: 8 cannot decide any of 50000 claims, whatever they show; it takes at least 21"
    ]
