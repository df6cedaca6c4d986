"""What a grid says of tuning: what is read, and every mistake with its place."""

from pathlib import Path

import pytest

from orchestrator.grid import GridSpec
from orchestrator.grid.tuning import Choice, Opened, Range, TuningSpec
from tests.orchestrator.grid.test_reader import problems, read
from trainables.spec import tuning_identity

GRID = """\
name: demo
axes:
  dataset: digits
  model: [mlp, lstm]
  optimizer: [sgd, adam]
  regularizer: [{name: dropout, p: 0.1}]
%s"""


def tuned(tmp_path: Path, section: str) -> GridSpec:
    return read(tmp_path, GRID % section)


def test_without_the_section_nothing_is_tuned(tmp_path: Path) -> None:
    grid = tuned(tmp_path, "")
    assert grid.tuning is None
    assert grid.settings(())[0].splits.test_seed is None


def test_what_the_issues_example_says(tmp_path: Path) -> None:
    spec = tuned(
        tmp_path, "tuning: {trials: 16, search: random, scheduler: asha, space: {optimizer.lr: [1e-4, 1, log]}}\n"
    ).tuning
    assert spec is not None
    assert (spec.trials, spec.search, spec.scheduler, spec.count) == (16, "random", "asha", 16)
    assert spec.space == (Opened("optimizer", "lr", Range(1e-4, 1, log=True, whole=False)),)


def test_kinds_of_spaces(tmp_path: Path) -> None:
    spec = tuned(
        tmp_path,
        "tuning: {space: {optimizer.momentum: [0, 0.9], model.layers: [1, 4, linear]}}\n",
    ).tuning
    assert spec is not None
    assert [opened.domain for opened in spec.space] == [
        Choice(("0", "0.9")),
        Range(1, 4, log=False, whole=True),
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("tuning: {trials: 3}\n", ["grid.yaml:7:9: tuning needs space"]),
        ("tuning: {space: {}}\n", ["grid.yaml:7:17: tuning.space"]),
        (
            "tuning: {trials: 0, space: {optimizer.lr: [1, 2]}}\n",
            ["grid.yaml:7:18: tuning.trials has to be at least 1"],
        ),
        ("tuning: {trails: 3, space: {optimizer.lr: [1, 2]}}\n", ["grid.yaml:7:10: unknown key of tuning 'trails'"]),
        ("tuning: {search: tpa, space: {optimizer.lr: [1, 2]}}\n", ["grid.yaml:7:18: tuning.search"]),
        ("tuning: {space: {optimizer.lrr: [0.1, 1, log]}}\n", ["grid.yaml:7:18: cannot tune optimizer.lrr:"]),
        (
            "tuning: {space: {model.depth: [1, 2]}}\n",
            ["grid.yaml:7:18: cannot tune model.depth: no parameter 'depth' in lstm and mlp"],
        ),
        ("tuning: {space: {protocol.epochs: [1, 2]}}\n", ["grid.yaml:7:18: cannot tune 'protocol.epochs'"]),
        ("tuning: {space: {optimizer: [1, 2]}}\n", ["grid.yaml:7:18: cannot tune 'optimizer'"]),
        ("tuning: {space: {optimizer.lr: [1, 0.1, log]}}\n", ['grid.yaml:7:32: [1, 0.1, "log"] is not a range']),
        ("tuning: {space: {optimizer.lr: [0, 1, log]}}\n", ["grid.yaml:7:33: a range on a logarithmic scale"]),
        ("tuning: {space: {optimizer.lr: [-1, 1, linear]}}\n", ["grid.yaml:7:33: lr"]),
        ("tuning: {space: {optimizer.lr: [0.1]}}\n", ["grid.yaml:7:32: optimizer.lr has one value"]),
        ("tuning: {space: {optimizer.lr: 0.1}}\n", ["grid.yaml:7:32: tuning.space.optimizer.lr has to be a list"]),
        ("tuning: {space: {optimizer.lr: [0.1, abc]}}\n", ["grid.yaml:7:38: lr"]),
        ("tuning: {space: {model.layers: [1.5, 3, linear]}}\n", ["grid.yaml:7:33: layers"]),
        (
            "tuning: {space: {regularizer.p: [0, 0.5, linear]}}\n",
            ["grid.yaml:6:33: regularizer.p is tuned, so dropout"],
        ),
        (
            "tuning: {trials: 3, search: grid, space: {optimizer.lr: [1, 2], optimizer.momentum: [0, 0.9]}}\n",
            ["grid.yaml:7:9: the listed values have 4 combinations, more than trials: 3"],
        ),
        (
            "overrides: [{when: {model: mlp}, set: {optimizer.lr: 0.1}}]\ntuning: {space: {optimizer.lr: [1, 2]}}\n",
            ["grid.yaml:7:13: optimizer.lr is tuned, so overrides[0] cannot set it"],
        ),
        (
            "tuning: {generation: 4, space: {optimizer.lr: [1, 2]}}\n",
            ["grid.yaml:7:22: only tpe works in generations; random has none"],
        ),
        (
            "tuning: {search: tpe, trials: 8, generation: 9, space: {optimizer.lr: [1, 2]}}\n",
            ["grid.yaml:7:46: a generation of 9 is more than trials: 8"],
        ),
        (
            "seeds: 2\ntuning: {repetitions: 3, space: {optimizer.lr: [1, 2]}}\n",
            ["grid.yaml:8:23: no seed is 2 modulo 3, so nothing would run with what repetition 2 chooses"],
        ),
        (
            "seeds: [0, 3, 6]\ntuning: {repetitions: 3, space: {optimizer.lr: [1, 2]}}\n",
            ["grid.yaml:8:23: no seed is 1 modulo 3"],
        ),
        (
            "tuning: {repetitions: 0, space: {optimizer.lr: [1, 2]}}\n",
            ["grid.yaml:7:23: tuning.repetitions has to be at least 1"],
        ),
        ("tuning: [1]\n", ["grid.yaml:7:9: tuning has to be a mapping"]),
    ],
)
def test_mistakes_are_told_where_they_stand(tmp_path: Path, section: str, message: list[str]) -> None:
    found = problems(tmp_path, GRID % section)
    assert len(found) >= len(message)
    for expected in message:
        assert any(line.startswith(expected) for line in found), found


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, GRID % "tuning: {trials: 0, space: {optimizer.lrr: [1, 2], model.hiden: [1, 2]}}\n")
    assert len(found) == 3
    assert "did you mean hidden" in found[-1]


def test_a_grid_has_as_many_points_as_the_budget_allows(tmp_path: Path) -> None:
    spec = tuned(
        tmp_path,
        "tuning: {trials: 9, search: grid, space: {optimizer.lr: [1e-4, 1, log], optimizer.momentum: [0, 0.9]}}\n",
    ).tuning
    assert spec is not None
    points = list(spec.combinations())
    assert len(points) == spec.count == 8, "four rates by two momenta; five would be ten"
    assert sorted({point["optimizer.lr"] for point in points}) == [
        pytest.approx(rate) for rate in (1e-4, 1e-4 ** (2 / 3), 1e-4 ** (1 / 3), 1)
    ]


def test_each_seed_of_a_tuned_grid_has_the_same_test_split(tmp_path: Path) -> None:
    grid = tuned(tmp_path, "tuning: {space: {optimizer.lr: [0.1, 1]}}\n")
    assert grid.settings(())[0].splits.test_seed == 0


def test_ids_of_tuned_cells_hold() -> None:
    """Published: a changed digest makes every earlier result of a tuned cell unreachable. Never edit these."""
    space = (
        Opened("optimizer", "lr", Range(1e-4, 1, log=True, whole=False)),
        Opened("model", "hidden", Choice(("[8]", "[16, 8]"))),
    )
    spec = TuningSpec.model_construct(trials=16, search="random", scheduler="asha", seed=0, space=space)
    assert spec.digest.hex() == "35e4d03fec01f430abaa8466aa3a67b9"
    assert tuning_identity(bytes(range(8)), 3) == "776221e6aa12a02d"
