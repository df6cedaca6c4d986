"""A journal made anew from the tables that are intact, where the one before is damaged (ADR 18).

Nothing is read out of what is damaged: what ended since the tables were written runs again, and of a trial either all rows
are kept or none.
"""

import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.errors import DamagedResults
from orchestrator.store import journal_schema, sql, tables
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.reading import examples_of
from orchestrator.store.predictions.writing import splits_of
from orchestrator.store.tables import Checksums
from orchestrator.store.version import holds_every_trial, is_before
from results_schema import (
    ATTEMPTS,
    BREAKDOWN,
    ENDED,
    EPOCHS,
    EXAMPLES,
    MEASUREMENT,
    OF_MEASUREMENTS,
    TABLES,
    TRIAL_TABLES,
    TRIALS,
    Table,
)

REASON: Final = "its rows were damaged"
_OF_A_TRIAL: Final = (EPOCHS, *BREAKDOWN, *OF_MEASUREMENTS, ATTEMPTS)
"""Tables whose rows are a trial's or a measurement's, by the first column of their key."""
_STAYS: Final = frozenset(
    (
        *("trial_id", "cell_id", "sweep", "planned", "source_digest", "purpose", "tuned", "repetition", "config_id"),
        *("seed", "attempts", "parent_id"),
    )
)
"""What is known of a trial before it runs."""
_NAMED: Final = 20
"""Trials that are named one by one."""
_ROWS_AT_ONCE: Final = 2_000


def rebuild(paths: ResultsPaths, new: Path) -> list[str]:
    """Into a new and empty file. What came of it, line by line, and what is lost. Raises OSError, and what SQLite raises."""
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        for setting in ("journal_mode = OFF", "synchronous = OFF"):  # who is killed here leaves a file of no name
            db.execute(f"PRAGMA {setting}")
        journal_schema.create(db)
        db.execute("BEGIN")
        lacking = _fill(db, paths)
        messages = [*_identity(db, paths), *_lost(lacking), *_examples(db, paths), *_wait_again(db, lacking)]
        db.execute("COMMIT")
        count, last = db.execute("SELECT count(*), max(finished_at) FROM trials").fetchone()
    until = "" if last is None else f" after {datetime.fromtimestamp(last / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return [
        f"journal.sqlite: rebuilt with {count} trials, from the tables",
        f"LOST what ended{until} and is in no table, if anything did: it runs again",
        "LOST what attempts had printed, and which cells `--add-seeds` or `--confirm` had given seeds: no table has that",
        *messages,
    ]


def _fill(db: sqlite3.Connection, paths: ResultsPaths) -> set[Table]:
    """The rows of all tables that are intact. Those tables that are not, or that are not there."""
    lacking = set[Table]()
    for table in reversed(
        TABLES
    ):  # of a trial in two, as an export leaves them that was cut off, the one written later
        if (found := _intact(table, paths)) is None:
            if paths.table(table.name).exists() or not is_before(table, paths):
                lacking.add(table)
        elif table not in TRIAL_TABLES:
            _insert(db, table.name, found)
        else:
            if holds_every_trial(found.schema):
                lacking -= set(TRIAL_TABLES)
            _insert(db, TRIALS.name, found)
            _insert(db, "cells", _configurations(found))
    # a cell all of whose trials were tuned, as one of them is configured: what was tuned is told apart by its name
    shared = ", ".join(name for name in sql.CELL_COLUMNS if name != "cell_id")
    db.execute(
        f"INSERT OR IGNORE INTO cells (cell_id, {shared})"
        f" SELECT trials.cell_id, {shared} FROM trials JOIN cells ON cells.cell_id = trials.config_id"
    )
    for table in _OF_A_TRIAL:
        db.execute(f"DELETE FROM {table.name} WHERE {table.key[0]} NOT IN (SELECT trial_id FROM trials)")
    return lacking


def _intact(table: Table, paths: ResultsPaths) -> pa.Table | None:
    """Also one that has no checksum yet is looked at: each value has to be one that the journal takes."""
    with suppress(DamagedResults, FileNotFoundError, pa.ArrowException):
        found = tables.read(table, paths)
        found.validate(full=True)
        if not any(found[field.name].null_count for field in table.schema if not field.nullable):
            return found
    return None


def _configurations(trials: pa.Table) -> pa.Table:
    """Of each trial the cell that it ran under."""
    if "config_id" not in trials.column_names:  # an older orch's
        return trials
    own = trials.column_names.index("cell_id")
    return trials.set_column(own, "cell_id", pc.coalesce(trials["config_id"], trials["cell_id"]))


def _insert(db: sqlite3.Connection, name: str, found: pa.Table) -> None:
    there = sql.columns_there(db, name)
    columns = [column for column in found.column_names if column in there]
    db.executemany(sql.upsert(name, tuple(columns)), _rows(found.select(columns)))


def _rows(found: pa.Table) -> Iterator[tuple[Any, ...]]:
    """As the journal has them: a time in microseconds, a flag as 0 or 1."""
    for batch in found.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from zip(*(_plain(column).to_pylist() for column in batch.columns), strict=True)


def _plain(column: pa.Array) -> pa.Array:
    as_number = pa.types.is_timestamp(column.type) or pa.types.is_boolean(column.type)
    return column.cast(pa.int64()) if as_number else column


def _identity(db: sqlite3.Connection, paths: ResultsPaths) -> Iterator[str]:
    known = Checksums()
    with suppress(DamagedResults):
        known = Checksums.read(paths.checksums)
    if known.directory_id:
        db.execute("UPDATE meta SET value = ? WHERE key = 'directory_id'", (known.directory_id,))
    else:
        yield "LOST the id of these results: W&B takes what it is sent from now on for results of another directory"
        yield "the tables are taken as they are: nothing but the checksums of their pages vouches for them"
    if any(len(digests) > 1 for digests in known.tables.values()):
        yield "LOST trials that went from one table to another in the last export, if any did: it was cut off"


def _lost(lacking: Set[Table]) -> Iterator[str]:
    for table in TABLES:
        if table in TRIAL_TABLES and table in lacking:
            yield f"LOST the trials of {table.name}.parquet, which is damaged too, or gone: a sweep of their grid runs them"
        elif table in lacking:
            yield f"LOST the rows of {table.name}.parquet, which is damaged too, or gone"


def _examples(db: sqlite3.Connection, paths: ResultsPaths) -> Iterator[str]:
    """Which examples each test split has: without that, predictions of it mean nothing."""
    try:
        for split_id, split in splits_of(examples_of(paths)):
            row = (split_id, len(split), split.packed())
            db.execute("INSERT OR IGNORE INTO test_splits (split_id, examples, content) VALUES (?, ?, ?)", row)
    except DamagedResults:
        yield f"LOST the rows of {EXAMPLES.name}.parquet, which is damaged too"


def _wait_again(db: sqlite3.Connection, lacking: Set[Table]) -> Iterator[str]:
    """Trials that had ended, and not all rows of which are there: they are as if they had not run."""
    attempt = "SELECT 1 FROM attempts WHERE trial_id = trials.trial_id AND attempt = trials.attempts"
    waits = f"attempts > 0 AND status IN {sql.among(ENDED)}"
    if lacking.isdisjoint((EPOCHS, *BREAKDOWN, ATTEMPTS)):
        # where findings alone are gone, nothing that trains has lost a row
        finds = "" if lacking.isdisjoint(OF_MEASUREMENTS) else f"purpose = '{MEASUREMENT}' OR "
        waits += f" AND ({finds}NOT EXISTS ({attempt} AND attempts.status IS NOT 'running'))"
    again = [trial_id for (trial_id,) in db.execute(f"SELECT trial_id FROM trials WHERE {waits}")]
    for table in (EPOCHS, *BREAKDOWN, *OF_MEASUREMENTS):
        gone = ((trial_id,) for trial_id in again)
        db.executemany(f"DELETE FROM {table.name} WHERE {table.key[0]} = ?", gone)
    nothing = ", ".join(f'"{name}" = NULL' for name in sql.TRIAL_COLUMNS if name not in {*_STAYS, "status", "reason"})
    db.execute(f"UPDATE trials SET status = 'pending', reason = ?, {nothing} WHERE {waits}", (REASON,))
    db.execute(
        "UPDATE trials SET attempts = (SELECT coalesce(max(attempt), 0) FROM attempts WHERE trial_id = trials.trial_id)"
        f" WHERE attempts > 0 AND NOT EXISTS ({attempt})"
    )
    if again:
        more = f" and {len(again) - _NAMED} more" if len(again) > _NAMED else ""
        yield f"LOST {len(again)} trials had ended and lack rows, and wait again: {', '.join(again[:_NAMED])}{more}"
