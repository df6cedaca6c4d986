"""Rows of a journal that cannot all be true."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from orchestrator.errors import DamagedResults
from orchestrator.store.connection import tells_of_damage
from orchestrator.store.place import SESSION
from orchestrator.store.sql import TRIALS_AND_CELLS, among, columns_there
from results_schema import TABLES, TRAINED

_OF_TRIALS: Final = (*(table.name for table in TABLES if table.of_trial), "logs")


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the rows gave."""

    problems: tuple[str, ...]
    trials: int
    copied: bool
    """Whether it is, or was, a copy of a journal elsewhere, which has no watermark, and no page checksums for a moment."""


def contradictions(db: sqlite3.Connection, *, deep: bool) -> Found:
    """deep: look at SQLite's own structure too, where no page checksums vouch for it. Raises DamagedResults."""
    try:
        return _found(db, deep=deep)
    except UnicodeDecodeError as error:
        raise _unreadable(error) from error
    except sqlite3.DatabaseError as error:
        # here a table or a column may be gone, which SQLite takes for a statement that is wrong
        if tells_of_damage(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            raise _unreadable(error) from error
        raise


def _unreadable(error: Exception) -> DamagedResults:
    return DamagedResults(f"it cannot be read: {error}")


def _found(db: sqlite3.Connection, *, deep: bool) -> Found:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return Found((), 0, copied=False)  # a sweep that was killed before its first statement
    version = db.execute("SELECT value FROM meta WHERE key = 'results_version'").fetchone()
    problems = []
    if deep:
        verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        problems += [] if verdict == "ok" else [str(verdict)]
    if version is None or not str(version[0]).isdecimal():
        problems.append("it does not say which version it has")
    cells = TRIALS_AND_CELLS if "config_id" in columns_there(db, "trials") else "trials JOIN cells USING (cell_id)"
    queries = {
        "trials without their cell": f"SELECT count(*) FROM trials WHERE trial_id NOT IN (SELECT trial_id FROM {cells})",
        "ended trials without the attempt that ended them": (
            "SELECT count(*) FROM trials WHERE attempts > 0 AND NOT EXISTS (SELECT 1 FROM attempts"
            " WHERE attempts.trial_id = trials.trial_id AND attempts.attempt = trials.attempts)"
        ),
        "epochs beyond the end of their trial": (
            "SELECT count(*) FROM epochs JOIN trials USING (trial_id)"
            f" WHERE trials.status IN {among(TRAINED)} AND epochs.epoch > trials.epochs"
        ),
    }
    for table in _OF_TRIALS:
        if table in tables:
            queries[f"{table} of a trial that is not there"] = (
                f"SELECT count(*) FROM {table} WHERE trial_id NOT IN (SELECT trial_id FROM trials)"
            )
    for what, query in queries.items():
        if count := db.execute(query).fetchone()[0]:
            problems.append(f"{count} {what}")
    copied = db.execute("SELECT 1 FROM meta WHERE key = ?", (SESSION,)).fetchone() is not None
    return Found(tuple(problems), db.execute("SELECT count(*) FROM trials").fetchone()[0], copied)
