"""Cross-validated cells are tuned within each fold: what a fold tests on is seen by nothing that chooses for it."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from orchestrator.grid import read_grid
from orchestrator.notebook.load import load
from orchestrator.plan.counts import ExistingResults
from orchestrator.plan.extra_seeds import AddedSeeds
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from orchestrator.plan.progress import SilentProgress
from orchestrator.report.contents import read_page
from orchestrator.report.markdown import markdown
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.preview import preview
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary
from results_schema import TRIAL_TABLES
from tests.orchestrator import sample
from tests.orchestrator.tuning.quick_sweep import StopsAfter
from tests.trainables.epoch_rows import epoch_row
from trainables.context import Context
from trainables.records import Breakdown, TrialResult
from trainables.spec import TrialSpec, TrialTask
from trainables.tasks.classification import ClassificationScores
from trainables.training.prepare import prepared

GRID = """\
name: folded
axes:
  dataset: {name: digits, folds: 3}
  model: [{name: mlp, hidden: [4]}]
  optimizer: [sgd, adam]
seeds: 3
protocol: {epochs: 1}
tuning: {trials: 4, space: {optimizer.lr: [1e-4, 1, log]}}
wandb: {mode: disabled}
"""
PATHS = ResultsPaths(Path("results/folded"))


@pytest.fixture(autouse=True)
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.yaml").write_text(GRID)
    return tmp_path / "grid.yaml"


def write(grid: Path, old: str, new: str) -> None:
    assert old in grid.read_text()
    grid.write_text(grid.read_text().replace(old, new))


def likes(fold: int) -> float:
    """The learning rate, as a power of ten, that is best in the fold of this seed."""
    return -0.5 - fold


def quick(trial_task: TrialTask, context: Context) -> TrialResult:
    """A trial that is as good as its learning rate is for its fold; nothing is trained."""
    rate = float(trial_task.spec.optimizer.parameters()["lr"])
    accuracy = 1 - abs(math.log10(rate) - likes(trial_task.spec.fold_seed)) / 10
    context.report(epoch_row(1, lr=rate, train_accuracy=accuracy, accuracy=accuracy))
    whole = sample.result(ClassificationScores(loss=1.0, accuracy=accuracy), epochs=1, breakdown=Breakdown())
    return whole if trial_task.purpose == "evaluation" else replace(whole, train=None, test=None)


def run(grid: Path, run_trial: Any = quick, progress: Any = None, **options: Any) -> SweepSummary:
    request = SweepRequest(grid=grid, engine="inline", run_trial=run_trial, **options)
    return run_sweep(request, progress or SilentProgress())


def table() -> pd.DataFrame:
    tables = [PATHS.table(table.name) for table in TRIAL_TABLES]
    return pd.concat([pd.read_parquet(file) for file in tables if file.exists()])


def rate(tuned: str) -> float:
    return float(json.loads(tuned)["optimizer.lr"])


def test_each_fold_is_tuned_by_itself_and_runs_with_what_was_best_in_it(grid: Path) -> None:
    assert run(grid).counts == {"completed": 2 * (3 * 4 + 3)}
    trials = table()
    tuning, evaluation = (trials[trials["purpose"] == purpose] for purpose in ("tuning", "evaluation"))
    assert evaluation["repetition"].isna().all()
    for cell, rows in tuning.groupby("cell_id"):
        assert rows.groupby("repetition").size().to_dict() == {0: 4, 1: 4, 2: 4}
        assert rows["seed"].nunique() == 3, "each fold divides the rest into training and validation by itself"
        assert len(set(map(rate, rows["tuned"]))) == 12, "and draws its own values"
        ran = evaluation[evaluation["cell_id"] == cell].set_index("seed")["tuned"]
        for fold, part in rows.groupby("repetition"):
            best = min(map(rate, part["tuned"]), key=lambda found: abs(math.log10(found) - likes(int(fold))))
            assert rate(ran[int(fold)]) == best
        assert ran.nunique() == 3
    assert run(grid).ran == 0


def test_a_tuning_trial_never_sees_what_its_fold_tests_on(grid: Path) -> None:
    seen: dict[str, TrialSpec] = {}

    def noted(trial_task: TrialTask, context: Context) -> TrialResult:
        seen[trial_task.trial_id] = trial_task.spec
        return quick(trial_task, context)

    run(grid, noted)
    place = data_location(None, grid)

    def parts(spec: TrialSpec) -> Any:
        own = (spec.protocol.splits, spec.seeds.split, torch.device("cpu"), spec.fold_seed)
        return prepared(spec.dataset, place, spec.fingerprint, *own).split

    trials = table()
    evaluation = trials[trials["purpose"] == "evaluation"]
    tested = {seed: parts(seen[trial]).test for trial, seed in zip(evaluation.trial_id, evaluation.seed, strict=True)}
    assert len(np.unique(np.concatenate(list(tested.values())))) == 1797
    tuning = trials[trials["purpose"] == "tuning"]
    for trial, fold in zip(tuning.trial_id, tuning.repetition, strict=True):
        split = parts(seen[trial])
        used = np.concatenate([split.train, split.val])
        assert not np.intersect1d(used, tested[int(fold)]).size
        assert np.array_equal(split.test, tested[int(fold)])


def test_a_real_tuning_trial_in_a_fold_measures_validation_alone(grid: Path) -> None:
    from trainables.training.trial import run_trial

    write(grid, "[sgd, adam]", "sgd")
    run(grid, run_trial)
    trials = table()
    tuning = trials[trials["purpose"] == "tuning"]
    measured = [name for name in trials.columns if name.startswith(("test_", "train_")) and name not in SIZES]
    assert tuning[measured].isna().all().all()
    assert tuning["val_accuracy"].notna().all()
    assert set(trials.loc[trials["purpose"] == "evaluation", "split_design"]) == {"fold"}


SIZES = {"test_size", "train_size", "train_seconds"}


def test_another_cross_validation_tunes_its_own_folds_and_leaves_the_earlier_choices(grid: Path) -> None:
    run(grid)
    before = table().set_index("trial_id")["tuned"]
    write(grid, "seeds: 3", "seeds: 4")
    assert run(grid).ran == 2 * (4 + 1)
    after = table().set_index("trial_id")["tuned"]
    assert after[before.index].to_dict() == before.to_dict()


def add_a_seed() -> None:
    """To each cell, as `--add-seeds` does where a claim asks for it."""
    journal = Journal.create_or_open(PATHS.journal)
    AddedSeeds(dict.fromkeys(journal.cell_ids() & set(table()["cell_id"]), 4)).keep(journal)
    journal.commit()
    journal.close()


def test_a_plan_counts_each_fold(grid: Path) -> None:
    seen = preview(grid)
    counts = seen.counts
    assert (counts.cells, counts.trials, counts.tuning_trials, counts.to_run) == (2, 30, 24, 30)
    assert seen.tuning == "random search over optimizer.lr, 4 trials for each cell and fold"
    assert counts.skipped == {}
    with pytest.raises(KeyboardInterrupt):
        run(grid, progress=StopsAfter(17))
    counts = preview(grid).counts
    assert (counts.done, counts.to_run) == (17, 13)
    run(grid)
    add_a_seed()
    counts = preview(grid).counts
    assert (counts.trials, counts.done, counts.to_run) == (40, 30, 10)
    assert run(grid).ran == 10
    counts = preview(grid).counts
    assert (counts.trials, counts.done, counts.to_run) == (40, 40, 0)


def test_a_sweep_that_is_stopped_goes_on_in_each_fold(grid: Path, tmp_path: Path) -> None:
    run(grid)
    whole = table().set_index("trial_id")["tuned"].to_dict()
    PATHS.root.rename(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(grid, progress=StopsAfter(10))
    run(grid)
    assert table().set_index("trial_id")["tuned"].to_dict() == whole


def test_page_and_claims_say_what_each_fold_chose(grid: Path) -> None:
    grid.write_text(
        GRID + "claims: [{id: H1, text: t, better: {optimizer: sgd}, than: {optimizer: adam}, on: test_accuracy}]\n"
    )
    run(grid)
    page = markdown(read_page(PATHS))
    assert "random search, 4 trials for each cell and fold" in page
    assert all(f"| fold of seed {seed} |" in page for seed in range(3))
    cells = load(PATHS.root).cells()
    assert all(len(text.splitlines()) == 3 for text in cells["tuned"])
    (notes,) = load(PATHS.root).claims()["notes"]
    (said,) = [note for note in notes if note.startswith("tuning chose for sgd: ")]
    assert said.count("(1 trial)") == 3


def test_where_seeds_share_a_fold_it_is_tuned_once(grid: Path) -> None:
    write(grid, "seeds: 3", "seeds: {count: 3, vary: [init]}")
    assert run(grid).counts == {"completed": 2 * (4 + 3)}
    trials = table()
    tuning = trials[trials["purpose"] == "tuning"]
    assert set(tuning["repetition"]) == {0}
    for _, rows in trials[trials["purpose"] == "evaluation"].groupby("cell_id"):
        assert rows["tuned"].nunique() == 1
    assert "| fold of seed 0 |" in markdown(read_page(PATHS))


def test_data_without_folds_beside_it_is_tuned_once_and_keeps_its_ids(grid: Path, tmp_path: Path) -> None:
    write(grid, "dataset: {name: digits, folds: 3}", "dataset: [digits, {name: digits, folds: 3}]")
    run(grid)
    trials = table()
    once = set(trials.loc[trials["dataset"] == "digits", "trial_id"])
    assert len(once) == 2 * (4 + 3)
    PATHS.root.rename(tmp_path / "both")
    grid.write_text(GRID.replace("{name: digits, folds: 3}", "digits"))
    run(grid)
    assert set(table()["trial_id"]) == once


def test_repetitions_within_folds_are_a_reason_to_skip(grid: Path) -> None:
    write(grid, "trials: 4,", "trials: 4, repetitions: 3,")
    counts = Plan(read_grid(grid), data_location(None, grid)).counts(ExistingResults((), {}))
    assert list(counts.skipped) == ["each fold is tuned by itself; tune without `repetitions`, or without `folds`"]
    summary = run(grid)
    assert (summary.counts, summary.exit_code) == ({"skipped": 6}, 2)


def test_results_of_before_with_these_cells_skipped_go_on(grid: Path) -> None:
    write(grid, "trials: 4,", "trials: 4, repetitions: 3,")
    run(grid)
    journal = Journal.read(PATHS.journal)
    skipped = set(journal.statuses())
    journal.close()
    write(grid, " repetitions: 3,", "")
    assert run(grid).ran == 30
    assert skipped.isdisjoint(table().loc[lambda rows: rows["planned"], "trial_id"])
