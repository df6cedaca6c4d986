"""Cells along a stream: which there are, what they are, and that all others stay as they were."""

import json
from pathlib import Path

import pytest

from orchestrator.errors import GridError
from orchestrator.grid.reader import read_text
from orchestrator.plan.cell import Cell
from orchestrator.plan.counts import ExistingResults
from orchestrator.plan.plan import Plan
from trainables.dataset import DataLocation

AXES = "{dataset: %s, model: [mlp, {name: mlp, hidden: 8}], optimizer: {name: adam, lr: 0.01}}"
UPDATE = "update: {blocks: 4, shift: {name: rotate, to: 45}, policies: [never, {periodic: 2}]}\n"
OPTIONS = "stream: {blocks: 4, shift: {name: rotate, to: 45}}"


def plan(tmp_path: Path, rest: str = "", dataset: str = "digits") -> Plan:
    text = f"name: grid\naxes: {AXES % dataset}\nseeds: 2\n{rest}"
    return Plan(read_text(text, tmp_path / "grid.yaml"), DataLocation(None, tmp_path, tmp_path / "cache"))


def told(cells: list[Cell]) -> list[tuple[str, str]]:
    return [(cell.purpose, cell.label) for cell in cells]


def test_each_cell_has_the_nets_of_its_policies_behind_it(tmp_path: Path) -> None:
    cells = list(plan(tmp_path, UPDATE).cells())
    first = [
        ("evaluation", "digits mlp(hidden=128) adam(lr=0.01) none"),
        ("update", "digits mlp(hidden=128) adam(lr=0.01) none update"),
        ("measurement", "digits mlp(hidden=128) adam(lr=0.01) none update prequential"),
        ("update", "digits(seen=2) mlp(hidden=128) adam(lr=0.01) none update"),
        ("measurement", "digits(seen=2) mlp(hidden=128) adam(lr=0.01) none update prequential"),
    ]
    assert told(cells) == [*first, *((purpose, label.replace("128", "8")) for purpose, label in first)]
    assert all(cell.parent_cell_id == cells[at - 1].cell_id for at, cell in enumerate(cells) if cell.measurement)


def test_they_are_the_trials_that_the_options_alone_would_give(tmp_path: Path) -> None:
    along = {cell.trial_id(0) for cell in plan(tmp_path, UPDATE).cells() if cell.purpose == "update"}
    levels = f"[{{name: digits, {OPTIONS}, seen: [0, 2]}}]"
    assert along == {cell.trial_id(0) for cell in plan(tmp_path, dataset=levels).cells()}
    assert all(cell.spec(0).trial_id in along for cell in plan(tmp_path, UPDATE).cells() if cell.purpose == "update")


def test_all_other_ids_stay(tmp_path: Path) -> None:
    before = [cell.trial_id(0) for cell in plan(tmp_path).cells()]
    assert before == [cell.trial_id(0) for cell in plan(tmp_path, UPDATE).cells() if cell.purpose == "evaluation"]


def test_they_are_counted_apart_and_found_by_their_ids(tmp_path: Path) -> None:
    planned = plan(tmp_path, UPDATE)
    cells = list(planned.cells())
    counts = planned.counts()
    assert (counts.cells, counts.trials, counts.updates, counts.measurements) == (2, 20, 8, 8)
    ids = {cell.cell_id for cell in cells}
    assert told(list(planned.among(ids))) == told(cells)
    some = cells[3].cell_id
    assert [cell.cell_id for cell in planned.among({some})] == [some]
    kept = ExistingResults(ids, {trial.trial_id: "completed" for trial in planned.trials()})
    assert (planned.counts(kept).done, planned.counts(kept).to_run) == (20, 0)


def test_seeds_that_are_added_or_confirm_add_none(tmp_path: Path) -> None:
    planned = plan(tmp_path, UPDATE)
    cells = list(planned.cells())
    planned.added = planned.added.joined({cells[0].cell_id: 5})
    assert [len(planned.seeds_of(cell)) for cell in cells[:5]] == [5, 2, 2, 2, 2]


def test_they_are_called_as_their_data_set_is(tmp_path: Path) -> None:
    several = "[digits, {name: digits, per_class: 50}, {name: digits, per_class: 20, display: few}]"
    labels = {cell.dataset.label for cell in plan(tmp_path, UPDATE, several).cells() if cell.purpose == "update"}
    named = ("digits", "digits(per_class=50)", "few")
    assert labels == {*named, *(f"{name}(seen=2)" for name in named)}


def test_alpha_is_the_measurements(tmp_path: Path) -> None:
    cells = plan(tmp_path, UPDATE.replace("blocks: 4", "blocks: 4, alpha: 0.2")).cells()
    measured = [cell.measurement for cell in cells if cell.measurement is not None]
    assert {json.dumps(each.parameters()) for each in measured} == {'{"alpha": 0.2}'}


def test_variants_have_none_of_their_own(tmp_path: Path) -> None:
    text = f"name: grid\naxes: {(AXES % 'digits')[:-1]}, deployment: int8}}\n{UPDATE}"
    planned = Plan(read_text(text, tmp_path / "grid.yaml"), DataLocation(None, tmp_path, tmp_path / "cache"))
    along = [cell for cell in planned.cells() if cell.is_update]
    assert len(along) == 2 * 2 * 2 and not any(cell.is_variant for cell in along)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (f"{{name: digits, {OPTIONS}}}", "digits.* comes as a stream already; leave the option out, or the section"),
        ("{name: digits, folds: 5}", "4:9: folds tests on every image, but a stream is of the test split alone"),
        ("{name: digits, denoise: median}", "4:9: denoise filters images before the stream changes them"),
        ("moving_digits", "4:9: moving_digits has clip inputs, and a stream is of images"),
    ],
)
def test_data_that_cannot_be_one_is_told(tmp_path: Path, dataset: str, message: str) -> None:
    with pytest.raises(GridError, match=message):
        plan(tmp_path, UPDATE, dataset)


def test_all_that_added_seeds_bring_is_counted(tmp_path: Path) -> None:
    planned = plan(tmp_path, f"measure: [groups, corrupt]\n{UPDATE}")
    planned.added = planned.added.joined({next(iter(planned.cells())).cell_id: 5})
    trials = [trial.trial_id for trial in planned.trials()]
    assert len(trials) == 2 * 2 * (1 + 2 + 2 * 2) + 3 * (1 + 2)
    kept = ExistingResults({cell.cell_id for cell in planned.cells()}, dict.fromkeys(trials, "completed"))
    counts = planned.counts(kept)
    assert (counts.trials, counts.done, counts.to_run) == (len(trials), len(trials), 0)
