"""What is called a cost counts all that is paid: the whole model, and what a part of it has done before training."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import orchestrator
from orchestrator.engine import AttemptFinished
from orchestrator.evidence.judge import measured
from orchestrator.grid.measures import is_higher_better, time_to
from orchestrator.report.contents import read_page
from orchestrator.results.ranked import COSTS
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from orchestrator.wandb.runs import finished_trials, read_run
from tests.orchestrator import sample
from tests.orchestrator.sample import BEGIN, Cell
from trainables.records import Breakdown, Costs
from trainables.tasks.classification import ClassificationScores

FROZEN, SMALL = Cell(model="frozen"), Cell(model="small")
SCORES = ClassificationScores(loss=0.1, accuracy=0.9, balanced_accuracy=0.9)


@pytest.fixture
def paths(tmp_path: Path) -> ResultsPaths:
    """A frozen net whose head is quick to train on features that took their time, and a small one that learns as a whole."""
    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    sample.plan(journal, (FROZEN, SMALL), seeds=(0, 1))
    costs = sample.result(SCORES, epochs=2, breakdown=Breakdown()).costs
    large = {"parameters": 4_000_000, "trainable_parameters": 12_810, "model_bytes": 16_000_000, "latency_ms_p50": 30.0}
    end(journal, FROZEN, replace(costs, **large, train_seconds=0.2, feature_seconds=6.6))
    small = {"parameters": 268_650, "trainable_parameters": 268_650, "model_bytes": 1_074_600, "latency_ms_p50": 1.0}
    end(journal, SMALL, replace(costs, **small, train_seconds=2.0))
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths


def end(journal: Journal, cell: Cell, costs: Costs) -> None:
    for seed in (0, 1):
        sample.start(journal, cell, seed)
        sample.epochs(journal, cell, seed, [0.5, 0.9])
        result = replace(sample.result(SCORES, epochs=2, breakdown=Breakdown()), costs=costs)
        journal.attempt_finished(AttemptFinished(cell.trial_id(seed), 1, result, BEGIN, ""))


def test_a_frozen_model_is_the_dearest_wherever_costs_are_shown(paths: ResultsPaths) -> None:
    cells = orchestrator.load(paths.root).cells().set_index("model")
    assert cells.loc["frozen", "total_seconds"] == pytest.approx(6.8)
    assert cells.loc["small", "total_seconds"] == pytest.approx(2.0)
    page = read_page(paths)
    at = {level: place for place, level in enumerate(page.cells.axes[1].levels)}
    by_model = {cell.at[1]: cell.costs for cell in page.cells.cells}
    for place, cost in enumerate(COSTS):
        if cost != "flops":  # the same number was made up for both
            assert by_model[at["frozen"]][place] > by_model[at["small"]][place], cost  # type: ignore[operator]
    board = page.boards[0].grid
    heads = [column.title for column in board.columns]
    shown = {row[heads.index("model")]: row[heads.index("training s")] for row in board.rows}
    assert shown == {"frozen": pytest.approx(6.8), "small": pytest.approx(2.0)}


def test_the_page_draws_the_heat_map_of_seconds_from_the_first_cost() -> None:
    script = Path(read_page.__code__.co_filename).parent / "templates" / "figures.js"
    assert "(cell) => cell.costs[0]" in script.read_text()
    assert next(iter(COSTS)) == "total_seconds"


def test_runs_of_a_tracker_have_them_all(paths: ResultsPaths) -> None:
    journal = Journal.read(paths.journal)
    runs = [read_run(journal, trial, "d") for trial in finished_trials(journal)]
    journal.close()
    frozen = next(run for run in runs if run.config["model_label"] == "frozen")
    message = ("parameters", "trainable_parameters", "model_bytes", "feature_seconds", "total_seconds")
    assert [frozen.summary[name] for name in message] == [4_000_000, 12_810, 16_000_000, 6.6, pytest.approx(6.8)]


def test_a_target_is_not_reached_sooner_for_what_was_done_beforehand(paths: ResultsPaths) -> None:
    results = orchestrator.load(paths.root)
    times = measured(time_to(0.9, "val_accuracy", "seconds"), results.trials, results.epochs)
    by_model = pd.Series(times.to_numpy(), index=results.trials["model"]).groupby(level=0).first()
    assert by_model["frozen"] == pytest.approx(6.6 + 2 * 0.5)
    assert by_model["small"] == pytest.approx(2 * 0.5)
    epochs = measured(time_to(0.9, "val_accuracy", "epochs"), results.trials, results.epochs)
    assert set(epochs) == {2.0}
    quickest = results.profile("model", reach=0.9)
    assert quickest.loc[1.0].to_dict() == {"frozen": 0.0, "small": 1.0}


@pytest.mark.parametrize("cost", COSTS)
def test_of_each_cost_less_is_better(cost: str) -> None:
    assert is_higher_better(cost) is False
