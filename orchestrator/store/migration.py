"""A journal of an older version, brought to this one: what joined the tables since is added, empty.

From one version to the next tables and columns join, and none goes or comes to mean something else (ADR 6; once one did,
ADR 14), so what an older orch has finished stays as it is and never runs again.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from orchestrator.store import sql
from orchestrator.store.connection import connect
from orchestrator.store.older import learns_in_part


def migrate(db: sqlite3.Connection, path: Path, found: int, version: int) -> None:
    """Change the journal at `path`, all at once or not at all. A copy as it was is kept beside it first.

    db: the writer's connection, outside a transaction. found: the journal's version, which is older than `version`.
    """
    with closing(connect(path.with_name(f"{path.stem}-version-{found}{path.suffix}"))) as copy:
        db.backup(copy)
    _carry_over(db, version)


def migrated_copy(db: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """An older journal as one of this version, in memory: for those who read and must not change it."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.backup(copy)
    _carry_over(copy, version)
    return copy


def _carry_over(db: sqlite3.Connection, version: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        counts_a_part = "trainable_parameters" not in sql.columns_there(db, "trials")
        for table, fields in sql.tables().items():
            there = sql.columns_there(db, table)
            for statement in sql.additions(table, fields, there):
                db.execute(statement)
        # before tuning there was, every trial was there to be evaluated
        db.execute("UPDATE trials SET purpose = 'evaluation' WHERE purpose IS NULL")
        if counts_a_part:
            _count_all(db)
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
