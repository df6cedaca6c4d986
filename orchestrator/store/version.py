"""Whether a results directory is one of orch, and of a version that this orch reads: asked before anything else is.

What another program wrote, or a newer orch, is not damaged: it is the wrong directory for this command, and nothing is
written there, not even a lock.
"""

import json
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults, UserError
from orchestrator.store import sql
from orchestrator.store.connection import connect, look
from orchestrator.store.files import damaged, reading
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.rekeying.trials import rekey
from orchestrator.store.sealing.inspection import JournalFiles, inspect
from orchestrator.store.sql import columns_there
from results_schema import (
    CONFIRMATION_TRIALS,
    EARLIER_TRIALS,
    MEASUREMENTS,
    TABLES,
    TRAINED_NET,
    TRIALS,
    TUNING_TRIALS,
    UPDATE_TRIALS,
    VERSION,
    Table,
)

# What an older orch has written of trials, as this one has it (ADR 14).

SPLIT: Final = 5
"""Version of the results from which on trials stand in three tables, and `parameters` counts what does not learn too."""

COUNTS_WORKERS: Final = 7
"""Version of the results from which on the number of workers may belong to what a trial is (ADR 23)."""


def is_before(table: Table, paths: ResultsPaths) -> bool:
    """Whether a table that is not there is one that the orch which wrote those beside it did not have: it has no rows."""
    beside = paths.table(TRIALS.name)
    return (table_version(beside) or VERSION) < table.since


def learns_in_part(model_config: str | None) -> bool:
    """Whether only a part of a model learns: of such a one an older orch counted that part alone, and not what its
    features took. model_config: JSON; of one that cannot be read nothing is known, as if it were so.
    """
    try:
        config = json.loads(model_config or "")
    except ValueError:  # a table that nothing vouches for; that it is damaged is reported by `orch verify`
        return True
    return not isinstance(config, dict) or config.get("tune", "all") != "all"


def holds_every_trial(trials: pa.Schema) -> bool:
    """Whether it is of a table of before trials stood in three."""
    version = (trials.metadata or {}).get(b"results_version", b"")
    return version.isdigit() and int(version) < SPLIT


def carried_over(trials: pa.Table) -> pa.Table:
    """A table of before with the columns of now; what a model costs is filled in as `migration` does it in a journal."""
    import pyarrow.compute as pc  # 60 ms, for results of an earlier orch alone

    of_part = pa.array(map(cache(learns_in_part), _column(trials, "model_config").to_pylist()), pa.bool_())
    counted, generation = _column(trials, "parameters"), pc.fill_null(_column(trials, "generation_seconds"), 0.0)
    filled = {
        "parameters": pc.if_else(of_part, None, counted),
        "trainable_parameters": counted,
        "total_seconds": pc.if_else(of_part, None, pc.add(_column(trials, "train_seconds"), generation)),
    }
    there = [field for field in TRIALS.schema if field.nullable or field.name in trials.column_names]
    columns = [filled[field.name] if field.name in filled else _column(trials, field.name) for field in there]
    return pa.table(columns, pa.schema(there, trials.schema.metadata))


def part_of(table: Table, trials: pa.Table) -> pa.Table:
    """Those of all trials that stand in one of the tables of trials."""
    import pyarrow.compute as pc

    planned = pc.fill_null(_column(trials, "planned"), False)
    if table is EARLIER_TRIALS:
        return trials.filter(pc.invert(planned))
    if table in (CONFIRMATION_TRIALS, MEASUREMENTS, UPDATE_TRIALS):  # there was no such trial then
        return trials.slice(0, 0)
    tunes = pc.fill_null(pc.equal(_column(trials, "purpose"), "tuning"), False)
    return trials.filter(pc.and_(planned, tunes if table is TUNING_TRIALS else pc.invert(tunes)))


def _column(trials: pa.Table, name: str) -> pa.ChunkedArray:
    """Empty where a still older orch did not have it."""
    if name in trials.column_names:
        return trials[name]
    return pa.chunked_array([pa.nulls(trials.num_rows, TRIALS.schema.field(name).type)])


# A journal of an older version, brought to this one: what joined the tables since is added, empty.


def migrate(db: sqlite3.Connection, path: Path, found: int, version: int) -> None:
    """Change the journal at `path`, all at once or not at all. A copy as it was is kept beside it first.

    db: the writer's connection, outside a transaction. found: the journal's version, which is older than `version`.
    """
    with closing(connect(path.with_name(f"{path.stem}-version-{found}{path.suffix}"))) as copy:
        db.backup(copy)
    _carry_over(db, version, renamed=found < COUNTS_WORKERS)


def migrated_copy(db: sqlite3.Connection, path: Path, version: int, *, as_planned: bool) -> sqlite3.Connection:
    """An older journal as one of this version, in memory: for those who read and must not change it.

    as_planned: with the ids that a sweep would give its trials. Without, they have those of the tables beside it.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.backup(copy)
    _carry_over(copy, version, renamed=as_planned and version_of(copy, path) < COUNTS_WORKERS)
    return copy


def _carry_over(db: sqlite3.Connection, version: int, *, renamed: bool) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        counts_a_part = "trainable_parameters" not in sql.columns_there(db, "trials")
        for table, fields in sql.tables().items():
            there = sql.columns_there(db, table)
            for statement in sql.additions(table, fields, there):
                db.execute(statement)
        for statement in (sql.PARENTS, *sql.prediction_tables()):
            db.execute(statement)
        # before tuning there was, every trial was there to be evaluated
        db.execute("UPDATE trials SET purpose = 'evaluation' WHERE purpose IS NULL")
        # before there was anything to make of a trained net, every trial trained
        for column, value in TRAINED_NET.items():
            db.execute(f"UPDATE cells SET {column} = ? WHERE {column} IS NULL", (value,))
        if counts_a_part:
            _count_all(db)
        if renamed:
            rekey(db)
        db.execute("UPDATE meta SET value = ? WHERE key = 'results_version'", (str(version),))
    except BaseException:
        db.rollback()
        raise
    db.commit()


def _count_all(db: sqlite3.Connection) -> None:
    """What a model has that does not learn was not counted, nor the time that its features took."""
    db.create_function("learns_in_part", 1, learns_in_part, deterministic=True)
    db.execute(
        "UPDATE trials SET trainable_parameters = parameters,"
        " total_seconds = train_seconds + coalesce(generation_seconds, 0)"
    )
    db.execute(
        "UPDATE trials SET parameters = NULL, total_seconds = NULL"
        " WHERE cell_id IN (SELECT cell_id FROM cells WHERE learns_in_part(model_config))"
    )


_SQLITE: Final = b"SQLite format 3\0"
_OURS: Final = frozenset({"trial_id", "cell_id", "seed"})
"""Columns of `trials` in a journal of any version."""


def check_is_results_dir(paths: ResultsPaths) -> None:
    """Raises UserError where the directory holds what another program, or a newer orch, has written."""
    if paths.journal.is_file() and paths.journal.stat().st_size:
        if not _known(paths) and not _is_journal(paths.journal):
            raise UserError(
                f"{paths.root}: its journal.sqlite was not written by orch;"
                " give a folder that `orch sweep` wrote, or a new one"
            )
        if (version := _journal_version(paths.journal)) > VERSION and not is_damaged(paths.journal):
            raise newer(paths.journal, version)
        return
    for table in TABLES:
        path = paths.table(table.name)
        if path.exists() and not paths.checksums.exists() and table_version(path) is None:
            raise UserError(
                f"{paths.root}: its {path.name} was not written by orch;"
                " give a folder that `orch sweep` wrote, or a new one"
            )
    if (version := table_version(paths.table(TRIALS.name)) or 0) > VERSION:
        raise newer(paths.table(TRIALS.name), version)


def newer(path: Path, version: int) -> UserError:
    """What a user is told of a file of a later version."""
    return UserError(f"{path} has results version {version}, this orch reads {VERSION}; use a newer orch")


def table_version(path: Path) -> int | None:
    """The results version that a table says it has; None where it is none of ours, or cannot be read."""
    try:
        with reading(path) as file:
            metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError, DamagedResults):
        return None
    version = metadata.get(b"results_version", b"")
    return int(version) if version.isdigit() else None


def is_damaged(journal: Path) -> bool:
    """Whether its page checksums say so: then nothing that the journal says of itself counts."""
    files = JournalFiles(journal)
    return files.main in {fault.path for fault in inspect(files).faults}


def _known(paths: ResultsPaths) -> bool:
    """Whether files beside the journal say that it is ours, however damaged it may be."""
    files = JournalFiles(paths.journal)
    ours = (files.page_checksums, files.wal_watermark, paths.checksums)
    return any(path.exists() for path in ours) or table_version(paths.table(TRIALS.name)) is not None


def _is_journal(path: Path) -> bool:
    """Also one that is damaged too much to tell."""
    with reading(path) as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return False
    try:
        with closing(look(path)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            columns = columns_there(db, "trials")
    except (sqlite3.Error, UnicodeDecodeError, DamagedResults):
        return True
    return not tables or ("meta" in tables and columns >= _OURS)


def _journal_version(path: Path) -> int:
    """0 where it does not say: that is damage, which others tell of."""
    try:
        with closing(look(path)) as db:
            return version_of(db, path)
    except (sqlite3.Error, UnicodeDecodeError, DamagedResults):
        return 0


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """Of the results. Raises DamagedResults where it does not say."""
    there = columns_there(db, "meta")
    found = None
    if there >= {"key", "value"}:
        found = db.execute("SELECT value FROM meta WHERE key = 'results_version'").fetchone()
    if found is None or not str(found[0]).isdecimal():
        raise damaged(path, "it has no results version", path.parent)
    return int(found[0])
