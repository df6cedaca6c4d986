"""Trials that tune: what they are stopped or skipped for, and that they see nothing of the test split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from orchestrator.grid import read_grid
from orchestrator.plan.counts import ExistingResults
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.tuning.quick_sweep import Write, quality, quick, rate_of, rates, run, table
from trainables.context import Context
from trainables.records import TrialResult
from trainables.spec import TrialTask, derived_seed, derived_seeds
from trainables.training.prepare import prepared


def test_bad_trials_are_stopped_early_and_never_chosen(write: Write) -> None:
    run(write("[sgd]", epochs=16, options="scheduler: asha,"))
    trials = table()
    tuning = trials[trials["purpose"] == "tuning"]
    assert tuning["epochs"].min() == 1
    assert tuning["epochs"].max() == 16
    assert set(trials["status"]) == {"completed"}
    chosen = rates(trials[trials["purpose"] == "evaluation"])[0]
    best = tuning.loc[tuning["val_accuracy"].idxmax()]
    assert chosen == json.loads(best["tuned"])["optimizer.lr"]
    assert (trials[trials["purpose"] == "evaluation"]["epochs"] == 16).all()


def test_a_trial_that_diverges_or_fails_has_used_its_part_of_the_budget(write: Write) -> None:
    def best_ones_break(trial_task: TrialTask, context: Context) -> TrialResult:
        if trial_task.purpose == "tuning" and 0.003 < rate_of(trial_task) < 0.02:
            raise ValueError("not at this rate")
        return quick(trial_task, context)

    summary = run(write("[sgd]"), best_ones_break)
    broken = summary.counts["failed"]
    assert broken >= 1
    assert summary.counts == {"completed": 8 - broken, "failed": broken}
    assert not summary.succeeded
    evaluation = table()[lambda rows: rows["purpose"] == "evaluation"]
    assert not any(0.003 < rate < 0.02 for rate in rates(evaluation))
    retried = run(write("[sgd]"), retry=True)
    assert (retried.ran, retried.counts) == (broken + 2, {"completed": 8}), "as it chose otherwise, both seeds again"
    evaluation = table()[lambda rows: rows["purpose"] == "evaluation"]
    assert all(0.003 < rate < 0.02 for rate in rates(evaluation))
    assert evaluation["test_accuracy"].tolist() == [quality(rate) for rate in rates(evaluation)]


def test_where_nothing_trains_the_seeds_are_skipped_with_the_reason(write: Write) -> None:
    def breaks(trial_task: TrialTask, context: Context) -> TrialResult:
        raise ValueError("never")

    summary = run(write("[sgd]"), breaks)
    assert summary.counts == {"failed": 6, "skipped": 2}
    skipped = table()[lambda rows: rows["status"] == "skipped"]
    assert skipped["reason"].str.contains("none of the 6 tuning trials").all()
    assert run(write("[sgd]"), retry=True).counts == {"completed": 8}


def test_a_cell_without_an_open_parameter_is_a_row_with_its_reason(write: Write) -> None:
    grid = write("[sgd, adam]")
    grid.write_text(grid.read_text().replace("optimizer.lr: [1e-4, 1, log]", "optimizer.momentum: [0, 0.9]"))
    assert run(grid).counts == {"completed": 8, "skipped": 2}
    skipped = table()[lambda rows: rows["status"] == "skipped"]
    assert set(skipped["optimizer"]) == {"adam"}
    assert skipped["reason"].str.startswith("tuning.space names no parameter of this cell").all()


def test_values_that_do_not_go_together_are_skipped(write: Write) -> None:
    grid = write("[{name: sgd, nesterov: true, momentum: 0.9}]")
    text = grid.read_text().replace("{name: sgd, nesterov: true, momentum: 0.9}", "sgd")
    space = "optimizer.nesterov: [false, true], optimizer.momentum: [0, 0.9]"
    grid.write_text(
        text.replace("optimizer.lr: [1e-4, 1, log]", space).replace("trials: 6,", "trials: 4, search: grid,")
    )
    summary = run(grid)
    assert summary.counts == {"completed": 5, "skipped": 1}
    (row,) = table()[lambda rows: rows["status"] == "skipped"].to_dict("records")
    assert "momentum" in row["reason"]
    again = run(grid)
    assert (again.ran, again.counts) == (0, summary.counts), "what was drawn is not drawn again"
    journal = Journal.read(ResultsPaths(Path("results/tuned")).journal)
    counts = Plan(read_grid(grid), data_location(None, grid)).counts(
        ExistingResults(journal.cell_ids(), journal.statuses())
    )
    assert (counts.done, counts.to_run) == (6, 0)


def test_what_tunes_never_learns_nor_selects_on_what_is_tested(write: Write) -> None:
    grid = write(seeds=4)
    place = data_location(None, grid)
    cell = next(Plan(read_grid(grid), place).cells())
    spec = cell.spec(0)
    assert cell.tuning is not None

    def parts(seed: int) -> Any:
        args = (spec.dataset, place, spec.fingerprint, spec.protocol.splits, derived_seeds(seed).split)
        return prepared(*args, torch.device("cpu"), seed).split

    evaluated = [parts(seed) for seed in range(4)]
    tuned = parts(derived_seed("tuning", cell.tuning.seed))
    tested = np.unique(np.concatenate([split.test for split in evaluated]))
    assert all(np.array_equal(split.test, tested) for split in evaluated)
    assert not np.intersect1d(tested, np.concatenate([tuned.train, tuned.val])).size
    assert len({tuple(split.val) for split in (*evaluated, tuned)}) == 5, "validation differs from seed to seed"
    assert len(tested) == pytest.approx(0.2 * 1797, abs=10)
    assert len(tuned.val) == pytest.approx(0.1 * 1797, abs=10)


def test_a_real_trial_that_tunes_measures_validation_alone(write: Write) -> None:
    from trainables.training.trial import run_trial

    run(write("[sgd]", seeds=1), run_trial)
    trials = table()
    tuning = trials[trials["purpose"] == "tuning"]
    measured = [name for name in trials.columns if name.startswith(("test_", "train_")) and name not in SIZES]
    assert tuning[measured].isna().all().all()
    assert tuning["val_accuracy"].notna().all()
    classes = pd.read_parquet("results/tuned/classes.parquet")
    assert set(classes["trial_id"]) == set(trials[trials["purpose"] == "evaluation"]["trial_id"])


SIZES = {"test_size", "train_size", "train_seconds"}
