"""How a plan is written into the journal: cell after cell, inside `Journal.planning`."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.grid.kept_labels import KeptLevel
from orchestrator.store import sql
from results_schema import ENDED

AXES: Final = ("dataset", "model", "optimizer", "regularizer")
Naming = Callable[[str, Collection[KeptLevel]], Mapping[KeptLevel, str]]
"""Of an axis and all of its levels here, the label of each."""


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

    def name_levels(self, naming: Naming) -> None:
        """Call each level what it is to be called among all that the journal has; for the end of the planning."""
        if next(self._db.execute("SELECT EXISTS (SELECT 1 FROM trials WHERE NOT planned)"))[0]:
            for axis in AXES:
                kept = dict(self._levels(axis))
                labels = naming(axis, set(kept.values()))
                renamed = ((labels[level], cell_id) for cell_id, level in kept.items() if labels[level] != level.label)
                self._db.executemany(f"UPDATE cells SET {axis} = ? WHERE cell_id = ?", list(renamed))
        # what tuning has made of a cell is called as the cell is
        made = self._db.execute("SELECT DISTINCT config_id, cell_id FROM trials WHERE config_id IS NOT NULL").fetchall()
        self._db.executemany(sql.CALL_AS, made)

    def _levels(self, axis: str) -> Iterator[tuple[str, KeptLevel]]:
        content = "data_fingerprint" if axis == "dataset" else "''"
        rows = self._db.execute(
            f"SELECT cell_id, {axis}, {axis}_config, tuning_config, {content},"
            " cell_id IN (SELECT cell_id FROM trials WHERE planned)"
            " FROM cells WHERE cell_id IN (SELECT cell_id FROM trials)"
        )
        shared: dict[tuple[object, ...], KeptLevel] = {}  # cells are many, and have few levels
        for cell_id, *told in rows:
            if tuple(told) not in shared:
                label, config, tuning, fingerprint, planned = told
                space = {} if tuning is None else json.loads(tuning)["space"]
                opened = frozenset(name.removeprefix(f"{axis}.") for name in space if name.startswith(f"{axis}."))
                shared[tuple(told)] = KeptLevel(label, config, opened, fingerprint, bool(planned))
            yield cell_id, shared[tuple(told)]
