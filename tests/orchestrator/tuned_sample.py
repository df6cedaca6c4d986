"""A small results directory of a sweep that tunes, written through the real journal: two cells are done, one is under way.

Each trial of tuning tries a learning rate from 0.0001 to 1 and one of three widths; the protocol has 3 epochs.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.engine import AttemptFinished, EpochDone
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.sql import PlannedRow
from orchestrator.store.tables import export
from results_schema import CellRow
from tests.orchestrator import sample
from tests.orchestrator.sample import BEGIN, Cell
from tests.trainables.epoch_rows import epoch_row
from trainables.columns import Scores
from trainables.records import Breakdown
from trainables.tasks.classification import ClassificationScores
from trainables.tasks.regression import RegressionScores

SPACE: dict[str, list[Any]] = {"optimizer.lr": [1e-4, 1, "log"], "model.hidden": [[16], [64], [64, 32]]}
SGD, ADAM, UNDER_WAY = Cell(optimizer="sgd"), Cell(optimizer="adam"), Cell(model="cnn", optimizer="sgd")
SEED_OF_TUNING = 1413517943513092270
_NUMBERS = 1000
"""Numbers of tuning trials begin here, where no seed is."""


@dataclass(frozen=True)
class Try:
    """A trial that tunes. score: the validation accuracy, or None where it diverges."""

    values: dict[str, Any]
    score: float | None
    epochs: int = 3
    broken: bool = False
    """Whether it fails."""


TRIES = {
    SGD: (
        Try({"optimizer.lr": 0.01, "model.hidden": [16]}, 0.4, epochs=1),
        Try({"optimizer.lr": 0.9, "model.hidden": [64, 32]}, 0.95),
        Try({"optimizer.lr": 0.2, "model.hidden": [64]}, 0.9),
        Try({"optimizer.lr": 0.95, "model.hidden": [16]}, None, epochs=1),
    ),
    ADAM: (
        Try({"optimizer.lr": 0.01, "model.hidden": [64]}, 0.97),
        Try({"optimizer.lr": 0.5, "model.hidden": [16]}, None, epochs=0, broken=True),
        Try({"optimizer.lr": 0.3, "model.hidden": [16]}, None, epochs=0, broken=True),
        Try({"optimizer.lr": 0.001, "model.hidden": [64]}, 0.3, epochs=1),
    ),
    UNDER_WAY: (Try({"optimizer.lr": 0.0001, "model.hidden": [64]}, 0.2), None, None, None),
}


def write_tuned(root: Path) -> ResultsPaths:
    """12 tuning trials: completed 6, diverged 1, failed 2, pending 3; 6 others: completed 4, pending 2."""
    paths = ResultsPaths(root)
    journal = Journal.create_or_open(paths.journal)
    plan(journal, list(TRIES), seeds=(0, 1), trials=4)
    for cell, tries in TRIES.items():
        for number, tried in enumerate(tries):
            if tried is not None:
                run(journal, cell, number, tried)
    for cell, best in ((SGD, 1), (ADAM, 0)):
        for seed in (0, 1):
            choose(journal, cell, seed, TRIES[cell][best].values)
            sample.complete(journal, cell, seed, accuracy=0.9 + seed / 100)
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths


# the parts


def tuning_id(cell: Cell, number: int) -> str:
    return cell.trial_id(_NUMBERS + number)


def plan(
    journal: Journal, cells: Sequence[Cell], seeds: Sequence[int], trials: int, space: dict[str, Any] | None = None
) -> None:
    config = {"trials": trials, "search": "tpe", "scheduler": "asha", "seed": 0, "space": space or SPACE}
    with journal.planning("tuned") as planning:
        for cell in cells:
            rows = [
                PlannedRow(tuning_id(cell, number), cell.cell_id, "tuning", SEED_OF_TUNING, "d" * 16, None)
                for number in range(trials)
            ]
            rows += [
                PlannedRow(cell.trial_id(seed), cell.cell_id, "evaluation", seed, "d" * 16, None) for seed in seeds
            ]
            planning.add(replace(cell.row(), tuning_config=json.dumps(config)), rows)
    journal.environment(sample.environment())


def choose(journal: Journal, cell: Cell, seed: int, values: dict[str, Any]) -> None:
    """The trial of this seed runs with these values."""
    journal.tuned(cell.trial_id(seed), _text(values), _config(journal, cell, values))


def run(journal: Journal, cell: Cell, number: int, tried: Try, measure: str = "accuracy") -> None:
    """One tuning trial to its end. measure: what the score is, `accuracy` or `mse`."""
    trial_id, seed = tuning_id(cell, number), _NUMBERS + number
    journal.tuned(trial_id, _text(tried.values), _config(journal, cell, tried.values))
    if tried.broken:
        sample.fail(journal, cell, seed)
        return
    sample.start(journal, cell, seed)
    for epoch in range(1, tried.epochs + 1):
        row = replace(epoch_row(epoch, seconds=0.5), val=_measured(measure, tried.score))
        journal.epoch_done(EpochDone(trial_id, 1, row))
    scores = None if tried.score is None else _measured(measure, tried.score)
    result = replace(
        sample.result(scores, epochs=tried.epochs, breakdown=Breakdown()), train=None, test=None
    )  # nothing but validation is measured
    if tried.score is None:
        result = replace(result, status="diverged", reason="the loss became NaN in epoch 1")
    journal.attempt_finished(AttemptFinished(trial_id, 1, result, BEGIN, ""))


def _measured(measure: str, score: float | None) -> Scores:
    if measure == "accuracy":
        return ClassificationScores(loss=1.0, accuracy=score)
    assert score is not None
    return RegressionScores(loss=1.0, mse=score, mae=score, r2=None)


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _config(journal: Journal, cell: Cell, values: dict[str, Any]) -> CellRow:
    """The cell with these values."""
    row = replace(cell.row(), cell_id=Cell(model=_text(values), optimizer=cell.cell_id).cell_id)
    ((tuning,),) = journal.query("SELECT tuning_config FROM cells WHERE cell_id = ?", (cell.cell_id,))
    optimizer = {**json.loads(row.optimizer_config), "lr": values.get("optimizer.lr", 0.1)}
    return replace(row, optimizer_config=json.dumps(optimizer), tuning_config=tuning)
