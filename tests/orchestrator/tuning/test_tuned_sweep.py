"""Whole sweeps that tune: equal budgets, the best on validation is chosen, and nothing is seen of the test split."""

import json
import math
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from orchestrator.engine import RunTrial, Work
from orchestrator.engine.inline import InlineEngine
from orchestrator.errors import UserError
from orchestrator.grid import read_grid
from orchestrator.notebook.load import load
from orchestrator.plan.counts import ExistingResults
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from orchestrator.plan.progress import SilentProgress, Snapshot
from orchestrator.report.contents import read_page
from orchestrator.report.markdown import markdown
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary
from results_schema import TRIAL_TABLES
from tests.marks import slow_but
from tests.orchestrator import sample
from tests.trainables.epoch_rows import epoch_row
from trainables.context import Context
from trainables.process_state.watching import ProcessState
from trainables.records import Breakdown, TrialResult
from trainables.spec import TrialTask, derived_seed, derived_seeds
from trainables.tasks.classification import ClassificationScores
from trainables.training.prepare import prepared

GRID = """\
name: tuned
axes:
  dataset: digits
  model: [{name: mlp, hidden: [4]}]
  optimizer: %s
seeds: %s
protocol: {epochs: %s}
tuning: {trials: 6, %s space: {optimizer.lr: [1e-4, 1, log]}}
wandb: {mode: disabled}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes grid.yaml in the working folder."""
    monkeypatch.chdir(tmp_path)

    def written(optimizer: str = "[sgd, adam]", seeds: object = 2, epochs: int = 1, options: str = "") -> Path:
        grid = tmp_path / "grid.yaml"
        grid.write_text(GRID % (optimizer, seeds, epochs, options))
        return grid

    return written


def rate_of(trial_task: TrialTask) -> float:
    return float(trial_task.spec.optimizer.parameters()["lr"])


def quality(rate: float) -> float:
    """Best at a learning rate of 0.01."""
    return 1 - abs(math.log10(rate) + 2) / 4


def quick(trial_task: TrialTask, context: Context) -> TrialResult:
    """A trial that is as good as its learning rate; nothing is trained."""
    accuracy, epochs = quality(rate_of(trial_task)), trial_task.spec.protocol.epochs
    ran = 0
    for epoch in range(1, epochs + 1):
        ran, reached = epoch, accuracy * epoch / epochs
        if context.report(epoch_row(epoch, lr=rate_of(trial_task), train_accuracy=reached, accuracy=reached)):
            break
    scores = ClassificationScores(loss=1.0, accuracy=accuracy * ran / epochs)
    whole = sample.result(scores, epochs=ran, breakdown=Breakdown())
    return whole if trial_task.purpose == "evaluation" else replace(whole, train=None, test=None)


def run(grid: Path, run_trial: Any = quick, progress: Any = None, **options: Any) -> SweepSummary:
    request = SweepRequest(grid=grid, engine="inline", run_trial=run_trial, **options)
    return run_sweep(request, progress or SilentProgress())


class Slots(InlineEngine):
    """So many trials are under way at once; they end in an order of chance."""

    def __init__(self, run_trial: RunTrial, count: int) -> None:
        super().__init__(run_trial)
        self._count, self._random = count, random.Random(count)

    def run(self, work: Work) -> None:
        under_way: list[TrialTask] = []
        while True:
            while len(under_way) < self._count and (shapes := work.shapes()):
                taken = work.take(shapes[0])
                under_way += [] if taken is None else [taken]
            if not under_way:
                return
            ends = under_way.pop(self._random.randrange(len(under_way)))
            self._attempt(work, ends, torch.device("cpu"), ProcessState())
            work.tick()


class StopsAfter(SilentProgress):
    """Ends the sweep as a signal would, after so many trials."""

    def __init__(self, trials: int) -> None:
        self._trials = trials

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        if snapshot.counts["completed"] == self._trials:
            raise KeyboardInterrupt


SEARCHES = ("search: tpe,", "search: tpe, generation: 5,", "search: random,")


@pytest.mark.parametrize("options", slow_but(["search: tpe, generation: 5,"], SEARCHES))
def test_the_number_of_slots_changes_no_choice(write: Write, monkeypatch: pytest.MonkeyPatch, options: str) -> None:
    grid = write(options=options)
    grid.write_text(grid.read_text().replace("trials: 6", "trials: 18"))
    found: dict[int, dict[str, str]] = {}
    for slots in (1, 2, 4):
        engine = partial(Slots, count=slots)
        monkeypatch.setattr("orchestrator.engine.inline.InlineEngine", engine)
        shutil.rmtree("results", ignore_errors=True)
        if slots == 2:  # in the middle of a generation of either cell
            with pytest.raises(KeyboardInterrupt):
                run(grid, progress=StopsAfter(27))
        assert run(grid).counts == {"completed": 40}
        found[slots] = dict(zip(table()["trial_id"], table()["tuned"], strict=True))
    assert found[1] == found[2] == found[4]
    assert len(set(found[1].values())) >= 18


def test_a_generation_begins_when_all_before_it_have_ended(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.engine.inline.InlineEngine", partial(Slots, count=4))
    run(write("[sgd]", options="search: tpe, generation: 3,"))
    trials = table()[lambda rows: rows["purpose"] == "tuning"].sort_values("started_at")
    first, second = trials[:3], trials[3:]
    assert first["finished_at"].max() <= second["started_at"].min()


def table() -> pd.DataFrame:
    """All trials, of either purpose."""
    there = [pd.read_parquet(f"results/tuned/{table.name}.parquet") for table in TRIAL_TABLES]
    return pd.concat([rows for rows in there if len(rows)], ignore_index=True)


def rates(rows: pd.DataFrame) -> list[float]:
    return [json.loads(values)["optimizer.lr"] for values in rows["tuned"]]


def test_every_cell_has_its_budget_and_its_seeds_run_with_the_best(write: Write) -> None:
    summary = run(write())
    assert (summary.ran, summary.counts) == (16, {"completed": 16})
    trials = table()
    assert trials.groupby(["optimizer", "purpose"]).size().to_dict() == {
        ("adam", "evaluation"): 2,
        ("adam", "tuning"): 6,
        ("sgd", "evaluation"): 2,
        ("sgd", "tuning"): 6,
    }
    for _, cell in trials.groupby("cell_id"):
        tuning, evaluation = (cell[cell["purpose"] == purpose] for purpose in ("tuning", "evaluation"))
        assert len(set(rates(tuning))) == 6
        best = max(rates(tuning), key=quality)
        assert rates(evaluation) == [best, best]
        assert [json.loads(config)["lr"] for config in evaluation["optimizer_config"]] == [best, best]
        assert [json.loads(config)["lr"] for config in tuning["optimizer_config"]] == rates(tuning)
        assert set(cell["optimizer"]) == {"sgd"} or set(cell["optimizer"]) == {"adam"}, "labels stay the level's"
        assert tuning["finished_at"].max() <= evaluation["started_at"].min()
        assert tuning["test_accuracy"].isna().all()
        assert evaluation["test_accuracy"].notna().all()
        assert set(tuning["seed"]).isdisjoint(evaluation["seed"])
    assert rates(trials[(trials["optimizer"] == "sgd") & (trials["purpose"] == "tuning")]) == rates(
        trials[(trials["optimizer"] == "adam") & (trials["purpose"] == "tuning")]
    ), "both are given the same random rates"


def test_again_runs_nothing_and_more_seeds_run_with_what_was_chosen(write: Write) -> None:
    run(write())
    before = table()
    assert run(write()).ran == 0
    pd.testing.assert_frame_equal(table(), before)
    longer = run(write(seeds=3))
    assert (longer.ran, longer.counts) == (2, {"completed": 18})
    evaluation = table()[lambda rows: rows["purpose"] == "evaluation"]
    assert (evaluation.groupby("cell_id")["tuned"].nunique() == 1).all()


def test_each_repetition_draws_and_chooses_by_itself(write: Write) -> None:
    def noisy(trial_task: TrialTask, context: Context) -> TrialResult:
        """On validation, a seed likes a rate of its own best: repetitions choose differently."""
        likes = derived_seed("liking", trial_task.spec.seed) % 100 / 25 - 4
        accuracy = 1 - abs(math.log10(rate_of(trial_task)) - likes) / 10
        context.report(epoch_row(1, lr=rate_of(trial_task), train_accuracy=accuracy, accuracy=accuracy))
        whole = sample.result(ClassificationScores(loss=1.0, accuracy=accuracy), epochs=1, breakdown=Breakdown())
        return whole if trial_task.purpose == "evaluation" else replace(whole, train=None, test=None)

    grid = write("[sgd]", seeds=5, options="repetitions: 3,")
    assert run(grid, noisy, max_trials=23).counts == {"completed": 18 + 5}
    trials = table()
    tuning, evaluation = (trials[trials["purpose"] == purpose] for purpose in ("tuning", "evaluation"))
    assert tuning.groupby("repetition").size().to_dict() == {0: 6, 1: 6, 2: 6}
    assert tuning["seed"].nunique() == 3, "each repetition trains with a seed, and so a split, of its own"
    assert len(set(rates(tuning))) == 18, "and draws its own values"
    assert (evaluation["repetition"] == evaluation["seed"] % 3).all()
    for repetition, part in tuning.groupby("repetition"):
        best = json.loads(part.loc[part["val_accuracy"].idxmax(), "tuned"])["optimizer.lr"]
        assert set(rates(evaluation[evaluation["repetition"] == repetition])) == {best}
    assert len(set(rates(evaluation))) == 3
    assert run(grid, noisy).ran == 0
    grid = write("[sgd]", seeds=7, options="repetitions: 3,")
    assert run(grid, noisy).ran == 2, "more seeds run with what their repetition has chosen"
    cells = load(Path("results/tuned")).cells()
    assert len(cells["tuned"].iloc[0].splitlines()) == 3
    page = markdown(read_page(ResultsPaths(Path("results/tuned"))))
    assert "6 trials for each cell, 3 times over" in page
    assert "| repetition 2 |" in page


def test_the_first_repetition_is_what_a_cell_has_that_is_tuned_once(write: Write) -> None:
    run(write("[sgd]", seeds=2))
    once = table()
    assert once["repetition"].isna().all()
    run(write("[sgd]", seeds=2, options="repetitions: 2,"))
    latest = table()[lambda rows: rows["planned"]]
    first = latest[(latest["purpose"] == "tuning") & (latest["repetition"] == 0)]
    assert sorted(rates(first)) == sorted(rates(once[once["purpose"] == "tuning"]))
    assert set(once["trial_id"]).isdisjoint(latest["trial_id"])


def test_a_named_trial_of_a_tuned_cell_runs_behind_its_own_tuning_alone(write: Write) -> None:
    grid = write(seeds="3")
    plan = Plan(read_grid(grid), data_location(None, grid))
    cell, *others = plan.cells()
    named, tunes = cell.trial_id(plan.grid.seeds[1]), next(cell.tuning_ids(plan.seeds_of(cell)))
    with pytest.raises(UserError, match=f"{tunes} is a tuning trial"):
        run(grid, only=(tunes,))
    summary = run(grid, only=(named,))
    assert (summary.ran, summary.counts, summary.exit_code) == (
        cell.tuning_total(plan.seeds_of(cell)) + 1,
        {"completed": 1},
        0,
    )
    rest = run(grid)
    budget = sum(other.tuning_total(plan.seeds_of(other)) for other in others)
    assert rest.ran == 2 + budget + 3 * len(others)


def test_fewer_seeds_than_repetitions_are_refused(write: Write) -> None:
    with pytest.raises(UserError, match="--seeds 1 leaves repetitions"):
        run(write("[sgd]", options="repetitions: 2,"), seeds=1)


def test_a_plan_counts_what_tunes(write: Write) -> None:
    grid = write()
    plan = Plan(read_grid(grid), data_location(None, grid))
    counts = plan.counts()
    assert (counts.cells, counts.trials, counts.tuning_trials, counts.to_run) == (2, 16, 12, 16)
    run(grid, max_trials=16)
    journal = Journal.read(ResultsPaths(Path("results/tuned")).journal)
    counts = plan.counts(ExistingResults(journal.cell_ids(), journal.statuses()))
    assert (counts.done, counts.to_run) == (16, 0)


def test_a_sweep_that_was_stopped_goes_on_with_the_values_that_it_had(write: Write) -> None:
    grid = write("[sgd]", options="search: tpe,")
    with pytest.raises(KeyboardInterrupt):
        run(grid, progress=StopsAfter(4))
    journal = Journal.read(ResultsPaths(Path("results/tuned")).journal)
    before = journal.tuned_values()
    assert journal.counts() == {"completed": 4, "pending": 4}
    summary = run(grid)
    assert (summary.ran, summary.counts) == (4, {"completed": 8})
    after = dict(zip(table()["trial_id"], table()["tuned"], strict=True))
    assert len(before) == 4
    assert before.items() <= after.items()


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
