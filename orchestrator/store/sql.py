"""The journal's SQL, derived from results_schema: one column there is one column here."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Literal

import pyarrow as pa

from orchestrator.store.kept_labels import KeptLevel
from results_schema import (
    CONFIRMATION_TRIALS,
    EARLIER_TRIALS,
    ENDED,
    EPOCHS,
    MEASUREMENT,
    MEASUREMENTS,
    NOT_MADE,
    TABLES,
    TRIALS,
    TUNING_TRIALS,
    UPDATE,
    UPDATE_TRIALS,
    CellRow,
    Table,
)
from results_schema.measured import headlines_of_measurements
from trainables import AXES
from trainables.columns import TableColumn, columns_of, values_of
from trainables.records import TrialResult
from trainables.registry import registry
from trainables.task import tasks

CELL_COLUMNS: Final = tuple(column.name for column in columns_of(CellRow))
"""What the trials of a cell share: kept once a cell, joined to its trials when read."""

TRIAL_COLUMNS: Final = tuple(name for name in TRIALS.columns if name not in CELL_COLUMNS or name == "cell_id")
"""What is a trial's own."""

TRIALS_AND_CELLS: Final = "trials JOIN cells ON cells.cell_id = coalesce(trials.config_id, trials.cell_id)"
"""Each trial with the configuration that it ran under: its cell's, or the one that tuning made of it."""

TRIAL_SECONDS: Final = "coalesce(total_seconds, train_seconds) + eval_seconds + setup_seconds"
"""What a trial took of its slot; null where it came to no end."""

_FLAGS: Final = frozenset({None, 0, 1})
WHICH_TRIALS: Final = {
    TRIALS.name: "trials.planned AND coalesce(trials.purpose, 'evaluation') = 'evaluation'",
    TUNING_TRIALS.name: "trials.planned AND trials.purpose IS 'tuning'",
    EARLIER_TRIALS.name: "NOT trials.planned",
    CONFIRMATION_TRIALS.name: "trials.planned AND trials.purpose IS 'confirmation'",
    MEASUREMENTS.name: f"trials.planned AND trials.purpose IS '{MEASUREMENT}'",
    UPDATE_TRIALS.name: f"trials.planned AND trials.purpose IS '{UPDATE}'",
}
"""Which of the journal's trials stand in each table of trials."""

_OF_IT: Final = "own.parent_id = trials.trial_id"
"""Variants and measurements of a trial: by an index, since it is asked of each trial, and of a single one for W&B."""

TESTS: Final = f"coalesce(trials.purpose, 'evaluation') NOT IN ('tuning', '{MEASUREMENT}')"
"""Trials that have a net of their own and read the test split."""

NO_MEASUREMENT: Final = f"trials.purpose IS NOT '{MEASUREMENT}'"
"""Trials that train or make a net, whatever for."""

_KEYS: Final = {"cells": ("cell_id",), **{table.name: table.key for table in TABLES}}


PREDICTIONS: Final[Mapping[str, str]] = {
    "waiting_predictions": "trial_id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, split_id TEXT, examples INTEGER NOT NULL,"
    " answers BLOB",
    "test_splits": "split_id TEXT PRIMARY KEY, examples INTEGER NOT NULL, content BLOB NOT NULL",
}
"""What the journal has of `predictions` until a part of that table has it, and of `examples` for good."""

PARENTS: Final = "CREATE INDEX IF NOT EXISTS trials_by_parent ON trials (parent_id) WHERE parent_id IS NOT NULL"
"""What finds the variants and measurements of a trial."""

_ALONG_STREAMS: Final = (
    "SELECT trials.cell_id FROM trials LEFT JOIN trials AS net ON net.trial_id = trials.parent_id"
    f" WHERE '{UPDATE}' IN (trials.purpose, net.purpose)"
)
"""Cells along a stream: they are called as their grid called them, and no other for what tells them apart."""

CALL_AS: Final = (
    f"UPDATE cells SET ({', '.join(AXES)}) ="
    f" (SELECT {', '.join(AXES)} FROM cells AS own WHERE own.cell_id = ?2) WHERE cell_id = ?1"
)
"""Gives the cell ?1 the labels of the cell ?2."""


def among(statuses: Collection[str]) -> str:
    """What stands after IN: `('failed', 'timed_out')`."""
    texts = (f"'{status}'" for status in sorted(statuses))
    return f"({', '.join(texts)})"


def plan_trial(stays: Collection[str]) -> str:
    """Plans a trial. One whose status is among `stays` keeps it, as does one that was skipped for what came out when it ran:
    a tuning trial for the values that it drew, a variant of which nothing was made. Any other waits, or is skipped.
    """
    not_made = f"substr(trials.reason, 1, {len(NOT_MADE)}) = '{NOT_MADE}'"
    stands = f"trials.status = 'skipped' AND (trials.purpose = 'tuning' OR {not_made})"
    ended = f"(trials.status IN {among(stays)} OR ({stands}))"
    return (
        "INSERT INTO trials (trial_id, cell_id, purpose, sweep, seed, source_digest, repetition, parent_id,"
        " planned, status, reason, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, 0)"
        " ON CONFLICT (trial_id) DO UPDATE SET planned = 1, sweep = excluded.sweep, purpose = excluded.purpose,"
        f" status = CASE WHEN {ended} THEN trials.status ELSE excluded.status END,"
        f" reason = CASE WHEN {ended} THEN trials.reason ELSE excluded.reason END,"
        f" source_digest = CASE WHEN {ended} THEN trials.source_digest ELSE excluded.source_digest END"
    )


def tables() -> dict[str, list[TableColumn]]:
    """The journal's tables that results_schema declares, by name, with their columns; of trials it has one."""
    own = [field for field in TRIALS.fields if field.name in TRIAL_COLUMNS]
    declared = {table.name: list(table.fields) for table in TABLES if table.name not in WHICH_TRIALS}
    return {"cells": list(columns_of(CellRow)), **declared, TRIALS.name: own}


@cache
def columns() -> Mapping[str, frozenset[str]]:
    """Every table of a journal of this version, by name, with the names of its columns: once a process, as a live page opens
    the journal for every look."""
    declared = {name: frozenset(field.name for field in fields) for name, fields in tables().items()}
    return {
        **declared,
        "meta": frozenset({"key", "value"}),
        "logs": frozenset({"trial_id", "attempt", "text"}),
        "waiting_predictions": frozenset({"trial_id", "attempt", "split_id", "examples", "answers"}),
        "test_splits": frozenset({"split_id", "examples", "content"}),
    }


@cache
def plug_in_scores() -> Mapping[str, Sequence[TableColumn]]:
    """By table, the columns that tasks of other packages declare: a journal of before such a one was there lacks them."""
    built_in = [task.scores for task in tasks() if registry.is_built_in("task", task.name)]
    found = {}
    for table in (TRIALS, EPOCHS):
        own = {column.name for column in columns_of(table.row, built_in, headlines_of_measurements())} | {*table.key}
        found[table.name] = [column for column in table.fields if column.name not in own]
    return found


def columns_there(db: sqlite3.Connection, table: str) -> frozenset[str]:
    """The names of the columns that a table has; none where it is not there."""
    return frozenset(name for _, name, *_ in db.execute(f'PRAGMA table_info("{table}")'))


def schema_statements() -> list[str]:
    """Statements that make an empty journal."""
    return [
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        *(_create(name, fields) for name, fields in tables().items()),
        "CREATE TABLE logs (trial_id TEXT, attempt INTEGER, text TEXT, PRIMARY KEY (trial_id, attempt)) WITHOUT ROWID",
        # whoever counts trials while a sweep writes reads this alone, and no row; older journals have it on the status
        "CREATE INDEX trials_by_status ON trials (status, planned, purpose, environment_id, started_at, finished_at)",
        PARENTS,
        *prediction_tables(),
    ]


def prediction_tables() -> Iterator[str]:
    """Statements that make them where they are not there."""
    return (f"CREATE TABLE IF NOT EXISTS {name} ({columns})" for name, columns in PREDICTIONS.items())


def additions(table: str, fields: list[TableColumn], there: Collection[str]) -> list[str]:
    """Statements that give a table of an older journal the columns that it lacks. there: its columns; none, no table."""
    if not there:
        return [_create(table, fields)]
    missing = [field for field in fields if field.name not in there]
    assert all(field.nullable for field in missing), "rows that are there have no value for a column that joins"
    return [f'ALTER TABLE "{table}" ADD COLUMN {_column(field)}' for field in missing]


def select(table: Table) -> str:
    """All rows of a table with its columns in the order of the schema."""
    if table.name in WHICH_TRIALS:
        return _select_trials(WHICH_TRIALS[table.name])
    columns = ", ".join(f'"{name}"' for name in table.columns)
    return f'SELECT {columns} FROM "{table.name}" ORDER BY rowid'


def select_every_trial() -> str:
    """The rows of all tables of trials."""
    return _select_trials("1")


@cache  # a row of the same columns is written for each trial
def upsert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" * len(columns))
    return f'INSERT OR REPLACE INTO "{table}" ({names}) VALUES ({marks})'


@cache
def update(table: str, columns: tuple[str, ...], key: str) -> str:
    settings = ", ".join(f'"{name}" = ?' for name in columns)
    return f'UPDATE "{table}" SET {settings} WHERE "{key}" = ?'


def to_sql(value: Any) -> Any:
    """A time as microseconds since 1970 UTC; everything else as it is."""
    if isinstance(value, datetime):
        return int(value.astimezone(UTC).timestamp() * 1_000_000)
    return value


def row_to_sql(values: Iterable[Any]) -> list[Any]:
    """`to_sql` of each."""
    return [to_sql(value) if isinstance(value, datetime) else value for value in values]


def to_arrow(values: tuple[Any, ...], field: pa.Field) -> pa.Array:
    """A column of SQL values as its Arrow type. Raises what Arrow raises, and TypeError, where one is of another type."""
    if pa.types.is_boolean(field.type):
        if not _FLAGS.issuperset(values):
            raise TypeError("a flag is neither 0 nor 1")
        return pa.array([None if value is None else bool(value) for value in values], type=field.type)
    if not pa.types.is_floating(field.type) and any(type(value) is float for value in values):
        raise TypeError("a whole number has a fraction")  # which Arrow would cut off
    if pa.types.is_timestamp(field.type):
        return pa.array(values, type=pa.int64()).cast(field.type)
    return pa.array(values, type=field.type)


def _select_trials(which: str) -> str:
    columns = ", ".join(map(_of_trials, TRIALS.fields))
    return f"SELECT {columns} FROM {TRIALS_AND_CELLS} WHERE {which} ORDER BY trials.rowid"


def _of_trials(field: TableColumn) -> str:
    """Where its value is: of a parent, whose own record is as its training left it, some are what others tell of it. Of
    several measurements of one kind it is the one that was planned first.
    """
    name, share = field.name, field.column.share_of_parent
    if share:
        told = f"SELECT max(CAST(round(own.{name} / own.{share}) AS INTEGER)) FROM trials AS own WHERE {_OF_IT}"
    elif field.column.of_measurement:
        first = f"own.{name} IS NOT NULL ORDER BY own.planned DESC, own.rowid LIMIT 1"
        told = f"SELECT own.{name} FROM trials AS own WHERE {_OF_IT} AND {first}"
    else:
        return f'{"trials" if name in TRIAL_COLUMNS else "cells"}."{name}"'
    return f'coalesce(trials."{name}", ({told})) AS "{name}"'


def _create(name: str, fields: list[TableColumn]) -> str:
    columns = ", ".join(_column(field) for field in fields)
    return f'CREATE TABLE "{name}" ({columns}, PRIMARY KEY ({", ".join(_KEYS[name])}))'


def _column(field: TableColumn) -> str:
    type_ = {str: "TEXT", float: "REAL"}.get(field.type, "INTEGER")
    return f'"{field.name}" {type_}{"" if field.nullable else " NOT NULL"}'


# How a plan is written into the journal: cell after cell, inside `Journal.planning`.

Naming = Callable[[str, Collection[KeptLevel]], Mapping[KeptLevel, str]]
"""Of an axis and all of its levels here, the label of each."""


Purpose = Literal["evaluation", "tuning", "confirmation", "measurement", "update"]


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A trial that the grid names. `skipped` is the reason why it cannot run, or None."""

    trial_id: str
    cell_id: str
    purpose: Purpose
    seed: int
    source_digest: str
    skipped: str | None
    repetition: int | None = None
    """Of the cell's tuning, where it has several."""
    parent_id: str | None = None
    """The trial whose net it is made of or about, where it is a variant or a measurement that can run."""


def keep_cell(db: sqlite3.Connection, cell: CellRow) -> None:
    """Write what trials share, or what one runs under."""
    db.execute(upsert("cells", CELL_COLUMNS), list(values_of(cell).values()))


class Planning:
    """Takes the cells of a plan one after another, so that no list of them is ever held."""

    def __init__(self, db: sqlite3.Connection, sweep: str, again: Collection[str]) -> None:
        """again: statuses that wait again although they had ended."""
        self._db, self._sweep = db, sweep
        self._plan_trial, self._plan_other = plan_trial(ENDED - set(again)), plan_trial(ENDED)

    def add(self, cell: CellRow, trials: Iterable[PlannedRow], others: Iterable[PlannedRow] = ()) -> None:
        """A cell and its trials. What has already ended keeps its status; what was under way waits again.

        others: trials of the cell that do not run now, whatever is to wait again.
        """
        keep_cell(self._db, cell)
        self._db.executemany(self._plan_trial, map(self._values, trials))
        self._db.executemany(self._plan_other, map(self._values, others))

    def _values(self, trial: PlannedRow) -> tuple[Any, ...]:
        return (
            trial.trial_id,
            trial.cell_id,
            trial.purpose,
            self._sweep,
            trial.seed,
            trial.source_digest,
            trial.repetition,
            trial.parent_id,
            "pending" if trial.skipped is None else "skipped",
            trial.skipped,
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
        self._db.executemany(CALL_AS, made)

    def _levels(self, axis: str) -> Iterator[tuple[str, KeptLevel]]:
        content = "data_fingerprint" if axis == "dataset" else "''"
        rows = self._db.execute(
            f"SELECT cell_id, {axis}, {axis}_config, tuning_config, {content},"
            " cell_id IN (SELECT cell_id FROM trials WHERE planned)"
            f" FROM cells WHERE cell_id IN (SELECT cell_id FROM trials) AND cell_id NOT IN ({_ALONG_STREAMS})"
        )
        shared: dict[tuple[object, ...], KeptLevel] = {}  # cells are many, and have few levels
        for cell_id, *row in rows:
            if tuple(row) not in shared:
                label, config, tuning, fingerprint, planned = row
                space = {} if tuning is None else json.loads(tuning)["space"]
                opened = frozenset(name.removeprefix(f"{axis}.") for name in space if name.startswith(f"{axis}."))
                shared[tuple(row)] = KeptLevel(label, config, opened, fingerprint, bool(planned))
            yield cell_id, shared[tuple(row)]


# From the records that a trial hands out to the values of table rows.

_OUTCOME: Final = tuple(
    column.name for column in columns_of(TrialResult, [task.scores for task in tasks()], headlines_of_measurements())
)


def outcome_values(result: TrialResult) -> dict[str, Any]:
    """The columns of a trial's row that its result fills: also those that are null, whatever an earlier one left there."""
    outcome = {"status": result.status, "reason": result.reason}
    return {**dict.fromkeys(_OUTCOME), **outcome, **values_of(result)}
