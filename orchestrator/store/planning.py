"""How a plan is written into the journal: cell after cell, inside `Journal.planning`."""

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from orchestrator.store import sql
from results_schema import ENDED


@dataclass(frozen=True, slots=True)
class CellRow:
    """What the trials of a cell share, as the journal keeps it; its fields are `sql.CELL_COLUMNS`."""

    cell_id: str
    dataset: str
    model: str
    optimizer: str
    regularizer: str
    dataset_config: str
    model_config: str
    optimizer_config: str
    regularizer_config: str
    protocol_config: str
    tuning_config: str | None
    data_fingerprint: str
    precision: str
    compiled: bool
    deterministic: bool


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A trial that the grid names. `skipped` is the reason why it cannot run, or None."""

    trial_id: str
    cell_id: str
    purpose: Literal["evaluation", "tuning"]
    seed: int
    source_digest: str
    skipped: str | None


def keep_cell(db: sqlite3.Connection, cell: CellRow) -> None:
    """Write what trials share, or what one runs under."""
    db.execute(sql.upsert("cells", sql.CELL_COLUMNS), [getattr(cell, name) for name in sql.CELL_COLUMNS])


class Planning:
    """Takes the cells of a plan one after another, so that no list of them is ever held."""

    def __init__(self, db: sqlite3.Connection, sweep: str, again: Collection[str]) -> None:
        self._db, self._sweep = db, sweep
        self._plan_trial = sql.plan_trial(ENDED - set(again))

    def add(self, cell: CellRow, trials: Iterable[PlannedRow]) -> None:
        """A cell and its trials. What has already ended keeps its status; what was under way waits again."""
        keep_cell(self._db, cell)
        self._db.executemany(
            self._plan_trial,
            (
                (
                    trial.trial_id,
                    trial.cell_id,
                    trial.purpose,
                    self._sweep,
                    trial.seed,
                    trial.source_digest,
                    "pending" if trial.skipped is None else "skipped",
                    trial.skipped,
                )
                for trial in trials
            ),
        )
