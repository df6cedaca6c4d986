"""Whole sweeps that tune: equal budgets, and the best on validation is chosen."""

import json
import math
import random
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

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
from orchestrator.report.contents import read_page
from orchestrator.report.markdown import markdown
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.marks import slow_but
from tests.orchestrator import sample
from tests.orchestrator.tuning.quick_sweep import StopsAfter, Write, quality, rate_of, rates, run, table
from tests.trainables.epoch_rows import epoch_row
from trainables.context import Context
from trainables.process_state.watching import ProcessState
from trainables.records import Breakdown, TrialResult
from trainables.spec import TrialTask, derived_seed
from trainables.tasks.classification import ClassificationScores


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
