"""Predictions in the journal: committed with their trial, and there until a part of `predictions` has them (ADR 22)."""

import sqlite3
from collections.abc import Collection, Iterable
from threading import Lock
from typing import NamedTuple

from trainables.records import Predictions


class Attempt(NamedTuple):
    """Whose predictions they are: another attempt at the trial may say something else."""

    trial_id: str
    attempt: int


def keep(db: sqlite3.Connection, trial_id: str, attempt: int, predictions: Predictions | None) -> None:
    """Of an attempt that came to its end. One that leaves none takes the place of an earlier one's, if there are some."""
    if predictions is None:
        db.execute(
            "INSERT OR REPLACE INTO waiting_predictions SELECT ?1, ?2, NULL, 0, NULL WHERE EXISTS"
            " (SELECT 1 FROM attempts WHERE trial_id = ?1 AND attempt < ?2 AND status = 'completed')",
            (trial_id, attempt),
        )
        return
    split = predictions.split_id
    db.execute(
        "INSERT OR REPLACE INTO waiting_predictions VALUES (?, ?, ?, ?, ?)",
        (trial_id, attempt, split, predictions.examples, predictions.answers),
    )
    if predictions.split is not None:
        db.execute(
            "INSERT OR IGNORE INTO test_splits VALUES (?, ?, ?)", (split, predictions.examples, predictions.split)
        )


def forget(db: sqlite3.Connection, written: Iterable[Attempt]) -> None:
    """What stands in a part, unless a later attempt has said something else since."""
    db.executemany("DELETE FROM waiting_predictions WHERE trial_id = ? AND attempt = ?", written)


def give_up(db: sqlite3.Connection, there: Collection[str]) -> list[str]:
    """Trials that had predictions, which neither wait here nor are those of `there`: from now on they have none."""
    rows = db.execute(
        "SELECT trial_id FROM trials WHERE split_id IS NOT NULL"
        " AND trial_id NOT IN (SELECT trial_id FROM waiting_predictions) ORDER BY rowid"
    )
    gone = [trial_id for (trial_id,) in rows if trial_id not in there]
    db.executemany("UPDATE trials SET split_id = NULL WHERE trial_id = ?", ((trial_id,) for trial_id in gone))
    return gone


class Written:
    """Attempts whose predictions a part has: told by the thread that writes tables to the one that writes the journal."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._attempts: list[Attempt] = []

    def add(self, attempts: Iterable[Attempt]) -> None:
        with self._lock:
            self._attempts.extend(attempts)

    def take(self) -> list[Attempt]:
        """Return those that nobody has taken yet."""
        with self._lock:
            taken, self._attempts = self._attempts, []
        return taken
