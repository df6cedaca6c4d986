"""The plan: which cells there are, which are skipped and why, and that their identities are those of what runs."""

import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.errors import GridError
from orchestrator.grid import Axes, read_grid
from orchestrator.plan.cell import Cell
from orchestrator.plan.combine import Combination
from orchestrator.plan.counts import ExistingResults
from orchestrator.plan.plan import Plan
from trainables import AXES
from trainables.dataset import DataLocation
from trainables.errors import DataMissing


def plan(
    folder: Path,
    rest: str = "",
    *,
    dataset: str = "digits",
    model: str = "[mlp, lstm]",
    optimizer: str = "{name: sgd, lr: [0.1, 0.2]}",
    regularizer: str = "none",
) -> Plan:
    path = folder / "grid.yaml"
    axes = f"dataset: {dataset}, model: {model}, optimizer: {optimizer}, regularizer: {regularizer}"
    path.write_text(f"name: demo\naxes: {{{axes}}}\n{rest}\n", encoding="utf-8")
    return Plan(read_grid(path), DataLocation(data=None, beside=folder, cache=folder / "cache"))


def described(cells: Plan) -> list[str]:
    return [
        f"{cell.model.label} {cell.optimizer.label} {cell.regularizer.label}: {cell.skip or 'runs'}"
        for cell in cells.cells()
    ]


def test_grid_and_plan_have_the_axes_in_their_order() -> None:
    assert Axes._fields == Combination._fields[: len(AXES)] == AXES


def images(folder: Path, side: int = 8, shade: int = 0) -> Path:
    for label in ("crow", "gull"):
        (folder / label).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (side, side), shade + number + (90 if label == "gull" else 0)).save(
                folder / label / f"{number}.png"
            )
    return folder


def check_counts(planned: Plan) -> None:
    """What is counted without looking at each cell is what one finds by looking at each."""
    counts = planned.counts()
    cells = list(planned.cells())
    reasons = [cell.skip for cell in cells if cell.skip is not None]
    assert counts.cells == len(cells)
    assert counts.skipped == {reason: reasons.count(reason) for reason in reasons}
    assert counts.trials == len(cells) * len(planned.grid.seeds)
    assert counts.to_run == (len(cells) - len(reasons)) * len(planned.grid.seeds)
    assert len({cell.cell_id for cell in cells}) == len(cells)


def test_cells_are_all_combinations_and_trials_are_theirs_with_each_seed(tmp_path: Path) -> None:
    planned = plan(tmp_path, "seeds: [7, 3]", regularizer="[none, dropout]")
    assert planned.counts().cells == 8
    assert planned.counts().trials == 16
    trials = list(planned.trials())
    assert [trial.seed for trial in trials[:2]] == [7, 3]
    assert len({trial.trial_id for trial in trials}) == 16
    check_counts(planned)


def test_identities_are_those_of_what_a_worker_is_handed(tmp_path: Path) -> None:
    rest = "overrides: [{when: {model: lstm}, set: {protocol.epochs: 3, optimizer.lr: 0.5, model.hidden: 9}}]\nseeds: 2"
    planned = plan(tmp_path, rest, regularizer="[none, [dropout, weight_decay]]")
    for trial in planned.trials():
        spec = trial.cell.spec(trial.seed)
        assert (spec.cell_id, spec.trial_id) == (trial.cell.cell_id, trial.trial_id)


def test_an_excluded_cell_is_skipped_with_the_rule_that_did_it(tmp_path: Path) -> None:
    rules = "exclude: [{model: lstm, optimizer: {name: sgd, lr: [2e-1, 9]}}, {optimizer: {name: sgd, lr: 0.2}}]"
    planned = plan(tmp_path, rules)
    assert described(planned) == [
        "mlp sgd(lr=0.1) none: runs",
        "mlp sgd(lr=0.2) none: excluded by exclude[1]",
        "lstm sgd(lr=0.1) none: runs",
        "lstm sgd(lr=0.2) none: excluded by exclude[0]",
    ]
    check_counts(planned)


def test_rules_see_the_parts_of_regularizers_applied_together(tmp_path: Path) -> None:
    levels = "[none, dropout, [dropout, weight_decay], [weight_decay, label_smoothing]]"
    single = plan(tmp_path, "exclude: [{regularizer: dropout}]", model="mlp", optimizer="adam", regularizer=levels)
    assert [cell.skip is None for cell in single.cells()] == [True, False, False, True]
    exact = "exclude: [{regularizer: [dropout, weight_decay]}]"
    together = plan(tmp_path, exact, model="mlp", optimizer="adam", regularizer=levels)
    assert [cell.skip is None for cell in together.cells()] == [True, True, False, True]


def test_a_combination_that_cannot_work_is_skipped_with_its_reason(tmp_path: Path) -> None:
    model = "[{name: cnn, channels: [[8], [8, 8, 8, 8]], hidden: [[4], [5]]}]"
    planned = plan(tmp_path, model=model, regularizer="[none, {name: augment, crop: [1, 8], rotation: [0, 5]}]")
    counts = planned.counts()
    assert counts.cells == 4 * 2 * 5
    assert len(counts.skipped) == 2
    assert any("leaves nothing of 8x8" in reason and cells == 20 for reason, cells in counts.skipped.items())
    assert any("crop with 8 pixels" in reason and cells == 8 for reason, cells in counts.skipped.items())
    check_counts(planned)


def test_a_measure_that_the_task_lacks_and_a_batch_that_cannot_be_shared_are_reasons(tmp_path: Path) -> None:
    assert set(plan(tmp_path, "protocol: {select: val_mse}").counts().skipped.values()) == {4}
    shared = plan(tmp_path, "protocol: {batch_size: 2}\nresources: {workers: 3}").counts()
    assert shared.skipped == {"protocol.batch_size is 2, too small to share among 3 workers": 4}


def test_overrides_hold_where_they_match_and_a_later_one_wins(tmp_path: Path) -> None:
    planned = plan(
        tmp_path,
        """\
protocol: {splits: {validation: 0.3}, epochs: 4}
overrides:
  - when: {model: mlp}
    set: {protocol.epochs: 30, protocol.splits.test: 0.25, resources.cpus: 2}
  - when: {model: mlp, optimizer: {name: sgd, lr: 0.2}}
    set: {protocol.epochs: 60}
""",
    )
    cells = list(planned.cells())
    assert [cell.protocol.epochs for cell in cells] == [30, 60, 4, 4]
    assert [cell.shape.cpus for cell in cells] == [2, 2, 1, 1]
    splits = cells[0].protocol.splits
    assert (splits.validation, splits.test) == (0.3, 0.25)
    check_counts(planned)


def test_cells_that_an_override_makes_equal_are_there_once(tmp_path: Path) -> None:
    planned = plan(tmp_path, "overrides: [{when: {model: lstm}, set: {optimizer.lr: 0.2}}]")
    assert described(planned) == [
        "mlp sgd(lr=0.1) none: runs",
        "mlp sgd(lr=0.2) none: runs",
        "lstm sgd(lr=0.2) none: runs",
    ]
    check_counts(planned)


def test_labels_are_those_of_what_runs(tmp_path: Path) -> None:
    rule = "overrides: [{when: {model: mlp}, set: {model.hidden: [5]}}]"
    planned = plan(tmp_path, rule, model="[mlp, lstm]", optimizer="sgd")
    assert [cell.model.label for cell in planned.cells()] == ["mlp(hidden=5)", "lstm"]
    assert next(planned.cells()).spec(0).model.parameters()["hidden"] == [5]


def test_an_override_of_regularizers_sets_the_parts_that_have_the_parameter(tmp_path: Path) -> None:
    rule = "overrides: [{when: {model: lstm}, set: {regularizer.p: 0.4}}]"
    planned = plan(tmp_path, rule, optimizer="sgd", regularizer="[none, [dropout, weight_decay]]")
    assert [cell.regularizer.label for cell in planned.cells()][1::2] == [
        "dropout(p=0.5)+weight_decay",
        "dropout(p=0.4)+weight_decay",
    ]


def test_included_cells_are_added_and_run_even_where_they_are_excluded(tmp_path: Path) -> None:
    rest = """\
exclude: [{model: mlp}]
include:
  - {dataset: digits, model: mlp, optimizer: {name: sgd, lr: 0.2}}
  - {dataset: digits, model: {name: mlp, hidden: [9]}, optimizer: adam, regularizer: [dropout, weight_decay]}
  - {dataset: digits, model: lstm, optimizer: {name: sgd, lr: 0.1}}
"""
    planned = plan(tmp_path, rest)
    assert described(planned) == [
        "mlp(hidden=128) sgd(lr=0.1) none: excluded by exclude[0]",
        "mlp(hidden=128) sgd(lr=0.2) none: runs",
        "lstm sgd(lr=0.1) none: runs",
        "lstm sgd(lr=0.2) none: runs",
        "mlp(hidden=9) adam dropout+weight_decay: runs",
    ]
    check_counts(planned)


def test_zipped_axes_are_walked_level_by_level(tmp_path: Path) -> None:
    planned = plan(tmp_path, "zip: [[model, optimizer]]", regularizer="[none, dropout]")
    assert described(planned) == [
        "mlp sgd(lr=0.1) none: runs",
        "mlp sgd(lr=0.1) dropout: runs",
        "lstm sgd(lr=0.2) none: runs",
        "lstm sgd(lr=0.2) dropout: runs",
    ]
    check_counts(planned)


def test_zipped_axes_keep_equal_levels_and_equal_cells_are_there_once(tmp_path: Path) -> None:
    planned = plan(tmp_path, "zip: [[optimizer, model]]", model="[mlp, lstm, mlp]", optimizer="[sgd, sgd, sgd]")
    assert described(planned) == ["mlp sgd none: runs", "lstm sgd none: runs"]
    added = "zip: [[optimizer, model]]\ninclude: [{dataset: digits, model: mlp, optimizer: adam}]"
    crossed = plan(tmp_path, added, model="[mlp, lstm]", optimizer="[sgd, adam]")
    assert described(crossed)[-1] == "mlp adam none: runs"
    check_counts(crossed)


def test_a_zip_of_all_axes_takes_an_included_cell_too(tmp_path: Path) -> None:
    rest = "zip: [[dataset, model, optimizer, regularizer]]\n" + (
        "include: [{dataset: digits, model: lstm, optimizer: [sgd, adam]}]"
    )
    planned = plan(tmp_path, rest, model="lstm", optimizer="sgd")
    assert described(planned) == ["lstm sgd none: runs", "lstm adam none: runs"]


def test_overrides_that_cannot_hold_together_are_refused(tmp_path: Path) -> None:
    rest = """\
overrides:
  - {when: {model: mlp}, set: {protocol.splits.validation: 0.5, protocol.splits.test: 0.4}}
  - {when: {optimizer: sgd}, set: {protocol.splits.test: 0.6}}
"""
    planned = plan(tmp_path, rest)
    with pytest.raises(GridError, match=r"validation 0\.5 and test 0\.6 leave nothing to train on"):
        planned.counts()


def test_zipped_axes_of_unequal_length_are_refused_where_the_zip_stands(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"grid\.yaml:3:7: .*model has 3 and optimizer has 2"):
        plan(tmp_path, "zip: [[model, optimizer]]", model="[mlp, lstm, cnn]")


def test_what_is_done_is_counted_by_its_status(tmp_path: Path) -> None:
    planned = plan(tmp_path, "seeds: 2\nexclude: [{optimizer: {name: sgd, lr: 0.2}}]")
    first, second, third, fourth = [trial.trial_id for trial in planned.trials() if trial.cell.skip is None]
    skipped = next(trial.trial_id for trial in planned.trials() if trial.cell.skip is not None)
    statuses = {first: "completed", second: "failed", third: "diverged", fourth: "cancelled", skipped: "completed"}
    cell_ids = {cell.cell_id for cell in planned.cells()} | {"f" * 16}
    counts = planned.counts(ExistingResults(cell_ids, {**statuses, "0" * 16: "completed"}))
    assert (counts.done, counts.failed, counts.to_run, counts.skipped_trials) == (2, 1, 1, 4)
    assert planned.counts(ExistingResults(cell_ids, {first: "skipped"})).to_run == 4, "what is no longer excluded runs"


def test_own_images_that_are_missing_are_reported_where_their_path_stands(tmp_path: Path) -> None:
    with pytest.raises(GridError) as caught:
        plan(tmp_path, dataset="[digits, {name: image_folder, path: brids}]")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (2, 47)
    assert "brids" in problem.message


def test_data_that_can_be_downloaded_is_said_to_be_missing_and_counts_as_to_run(tmp_path: Path) -> None:
    planned = plan(tmp_path, dataset="[digits, mnist]")
    (missing,) = planned.missing
    assert "mnist" in missing
    counts = planned.counts(ExistingResults({"f" * 16}, {"0" * 16: "completed"}))
    assert (counts.cells, counts.to_run, counts.done) == (8, 8, 0)
    with pytest.raises(DataMissing, match="mnist"):
        list(planned.trials())


def test_the_same_images_under_two_paths_are_one_data_set(tmp_path: Path) -> None:
    images(tmp_path / "birds")
    images(tmp_path / "others", shade=40)
    planned = plan(tmp_path, dataset="[{name: image_folder, path: [birds, others, ./birds]}]", optimizer="sgd")
    assert len(planned.data) == 2
    assert len({cell.cell_id for cell in planned.cells()}) == planned.counts().cells == 4


def test_a_plan_writes_nothing_beside_the_grid(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    planned.counts(ExistingResults({"f" * 16}, {"0" * 16: "completed"}))
    assert [file.name for file in tmp_path.iterdir()] == ["grid.yaml"]


@pytest.mark.parametrize("rest", ["", "exclude: [{optimizer: {name: sgd, lr: 0.001}}]"])
def test_a_million_cells_are_counted_without_being_made(tmp_path: Path, rest: str) -> None:
    values = ", ".join(str(value / 2000) for value in range(1, 1001))
    tracemalloc.start()
    planned = plan(tmp_path, f"seeds: 5\n{rest}", optimizer=f"{{name: sgd, lr: [{values}], momentum: [{values}]}}")
    counts = planned.counts()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts.trials == 2 * 1_000_000 * 5
    assert sum(counts.skipped.values()) == (2000 if rest else 0)
    assert peak < 50_000_000
    first: Cell = next(planned.cells())
    assert first.optimizer.label == "sgd(lr=0.0005,momentum=0.0005)"


def test_what_an_optimizer_cannot_train_is_skipped_with_its_reason(tmp_path: Path) -> None:
    planned = plan(tmp_path, model="mlp", optimizer="[sgd, sparse_adam, {name: lbfgs, max_iter: [5, 6]}]")
    assert described(planned) == [
        "mlp sgd none: runs",
        "mlp sparse_adam none: sparse_adam takes only sparse gradients, but those of mlp are dense; use adam",
        "mlp lbfgs(max_iter=5) none: runs",
        "mlp lbfgs(max_iter=6) none: runs",
    ]
    check_counts(planned)


def test_a_line_search_cannot_see_what_is_in_the_gradients_alone(tmp_path: Path) -> None:
    levels = "[{name: lbfgs, line_search_fn: [strong_wolfe, null]}]"
    planned = plan(tmp_path, model="mlp", optimizer=levels, regularizer="[none, l1, decoupled_weight_decay]")
    (reason,) = planned.counts().skipped
    assert reason == (
        "the line search of lbfgs compares losses, and l1 changes only the gradients; set line_search_fn to null"
    )
    assert planned.counts().skipped[reason] == 1
    check_counts(planned)


def test_what_an_optimizer_cannot_follow_of_the_protocol_is_a_reason(tmp_path: Path) -> None:
    rest = "protocol: {clip: 1}\noverrides: [{when: {model: lstm}, set: {protocol.clip: null}}]"
    planned = plan(tmp_path, rest, optimizer="[sgd, {name: lbfgs, lr: [0.5, 1]}]")
    skipped = [line.partition(": ") for line in described(planned) if not line.endswith("runs")]
    assert [label for label, _, _ in skipped] == ["mlp lbfgs(lr=0.5) none", "mlp lbfgs(lr=1) none"]
    assert all("leave clip out" in reason for _, _, reason in skipped)
    check_counts(planned)


def test_a_model_that_cannot_learn_a_batch_in_parts_is_skipped_with_its_reason(tmp_path: Path) -> None:
    model, rest = "[mlp, {name: sgan, latent: [5, 6]}]", "protocol: {accumulate: 2}"
    planned = plan(tmp_path, rest, model=model, optimizer="[sgd, lbfgs]")
    skipped = [line.partition(": ")[0] for line in described(planned) if line.endswith("leave accumulate out")]
    assert skipped == ["sgan(latent=5) sgd none", "sgan(latent=6) sgd none"]
    check_counts(planned)


def test_a_regularizer_that_the_model_has_no_place_for_is_skipped_with_its_reason(tmp_path: Path) -> None:
    planned = plan(tmp_path, model="[mlp, lstm]", regularizer="[none, stochastic_depth, [mixup, class_weights]]")
    skipped = planned.counts().skipped
    assert sorted(skipped) == [
        f"stochastic_depth leaves out residual branches, but the model {model} has none to leave out"
        for model in ("lstm", "mlp")
    ]
    check_counts(planned)
