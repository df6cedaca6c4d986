"""The truth about every trial and attempt: an SQLite file that only this module and `planning` write.

A change is *finished* when it is committed. Commits are batched by the caller (`commit`), and synchronous: what was
committed survives the machine. All writes are idempotent by trial id, attempt and epoch.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, Self

from orchestrator.engine import Broke, Ended, EpochDone, Started
from orchestrator.errors import DamagedResults
from orchestrator.store import sql
from orchestrator.store.connection import checked, connect
from orchestrator.store.migration import migrate
from orchestrator.store.planning import Planning
from orchestrator.store.rows import outcome_values
from results_schema import ATTEMPTS, CLASSES, CURVES, ENVIRONMENTS, EPOCHS, VERSION

_LOST: Final = "the sweep that ran it ended before it did"


class Journal:
    """One results directory's journal. Use `create_or_open` to write it, `read` to look at it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = connection, path

    @classmethod
    def create_or_open(cls, path: Path) -> Self:
        """For the one writer, who holds the lock. Raises DamagedResults, UserError, InfrastructureLost."""
        path.parent.mkdir(parents=True, exist_ok=True)
        db = connect(path)
        journal = cls(db, path)
        with journal._checked():
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            # also empty after a sweep that was killed before it had written the first statement
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                journal._create()
            else:
                journal._check_whole()
                if (found := journal._version()) < VERSION:
                    migrate(db, path, found, VERSION)
            db.execute("BEGIN")
        return journal

    @classmethod
    def read(cls, path: Path) -> Self:
        """For anyone, also while a sweep writes. Raises DamagedResults, FileNotFoundError."""
        if not path.exists():
            raise FileNotFoundError(path)
        db = connect(path, read_only=True)
        journal = cls(db, path)
        with journal._checked():
            journal._check_version()
        return journal

    def close(self) -> None:
        try:
            with self._checked():
                if self._db.in_transaction:
                    self._db.commit()
        finally:
            self._db.close()

    def commit(self) -> None:
        """Make everything written so far durable."""
        with self._checked():
            self._db.commit()
            self._db.execute("BEGIN")

    # what the sweep says before it starts

    @contextmanager
    def planning(self, sweep: str, again: Collection[str] = ()) -> Iterator["Planning"]:
        """Make the grid's trials the planned ones. Rows of trials that it no longer names stay, unplanned.

        again: statuses that wait again although they had ended (`--retry`).
        """
        with self._checked():
            self._db.execute("UPDATE trials SET planned = 0")
            self._db.execute("UPDATE trials SET status = 'cancelled', reason = ? WHERE status = 'running'", (_LOST,))
            self._close_attempts("lost", _LOST)
            yield Planning(self._db, sweep, again)

    def environment(self, values: dict[str, Any]) -> None:
        """Keep a row of the `environments` table."""
        self._write(ENVIRONMENTS.name, [values])

    # what happens to a trial

    def started(self, event: Started, environment_id: str) -> None:
        with self._checked():
            self._db.execute("DELETE FROM epochs WHERE trial_id = ?", (event.trial_id,))
            self._db.execute(
                "UPDATE trials SET status = 'running', reason = NULL, attempts = ?, started_at = ?, finished_at = NULL,"
                " environment_id = ? WHERE trial_id = ?",
                (event.attempt, sql.to_sql(event.at), environment_id, event.trial_id),
            )
        self._write(
            ATTEMPTS.name,
            [
                {
                    "trial_id": event.trial_id,
                    "attempt": event.attempt,
                    "status": "running",
                    "slot": event.slot,
                    "host": event.host,
                    "pid": event.pid,
                    "started_at": event.at,
                    "environment_id": environment_id,
                }
            ],
        )

    def epoch_done(self, event: EpochDone) -> None:
        row = event.row
        values = {name: getattr(row, name) for name in EPOCHS.columns if name != "trial_id"}
        self._write(EPOCHS.name, [{"trial_id": event.trial_id, **values}])

    def ended(self, event: Ended) -> None:
        """The attempt came to its end: the trial's row, its classes and curves."""
        values = {**outcome_values(event.result), "finished_at": event.at}
        self._update_trial(event.trial_id, values)
        with self._checked():
            for table in (CLASSES, CURVES):
                self._db.execute(f"DELETE FROM {table.name} WHERE trial_id = ?", (event.trial_id,))
        breakdown = event.result.breakdown
        for table, rows in ((CLASSES, breakdown.classes), (CURVES, breakdown.curves)):
            names = [name for name in table.columns if name != "trial_id"]
            self._write(
                table.name,
                [{"trial_id": event.trial_id, **{name: getattr(row, name) for name in names}} for row in rows],
            )
        self._end_attempt(event, event.result.status, event.result.reason, None)

    def broke(self, event: Broke, status: str | None, reason: str) -> None:
        """The attempt broke; the trial's status is now `status`, or it waits again where that is None."""
        self._update_trial(
            event.trial_id,
            {"status": status or "pending", "reason": reason, "finished_at": event.at if status else None},
        )
        self._end_attempt(event, event.failure.kind.value, reason, event.failure.traceback)

    def cancel_running(self, reason: str) -> None:
        """The sweep stops: what runs is cancelled and will run again; what waits stays pending."""
        with self._checked():
            self._db.execute("UPDATE trials SET status = 'cancelled', reason = ? WHERE status = 'running'", (reason,))
            self._close_attempts("cancelled", reason)

    # what others read

    def statuses(self) -> dict[str, str]:
        """Trial id to status, of every trial that the directory knows."""
        return dict(self.query("SELECT trial_id, status FROM trials"))

    def cell_ids(self) -> set[str]:
        """Of every cell that the directory knows."""
        return {cell_id for (cell_id,) in self.query("SELECT cell_id FROM cells")}

    def source_digests(self) -> dict[str, str]:
        """Cell id to the digest of the source under which a trial of it was completed."""
        return dict(self.query("SELECT cell_id, source_digest FROM trials WHERE status = 'completed'"))

    def attempts(self) -> dict[str, int]:
        """Trial id to the number of attempts so far, where there is one."""
        return dict(self.query("SELECT trial_id, attempts FROM trials WHERE attempts > 0"))

    def counts(self) -> dict[str, int]:
        """Status to the number of planned trials that have it."""
        return dict(self.query("SELECT status, count(*) FROM trials WHERE planned GROUP BY status ORDER BY status"))

    def seconds_by_cell(self) -> dict[str, float]:
        """Cell id to the mean measured seconds of its finished trials, for expecting the next."""
        return dict(
            self.query(
                "SELECT cell_id, avg(train_seconds + eval_seconds + setup_seconds) FROM trials"
                " WHERE train_seconds IS NOT NULL GROUP BY cell_id"
            )
        )

    def meta(self, key: str) -> str | None:
        row = next(iter(self.query("SELECT value FROM meta WHERE key = ?", (key,))), None)
        return None if row is None else str(row[0])

    @property
    def directory_id(self) -> str:
        """8 hex digits of this results directory, wherever it is moved to."""
        found = self.meta("directory_id")
        assert found is not None, "every journal is made with one"
        return found

    def log(self, trial_id: str) -> list[tuple[int, str]]:
        """(attempt, what it printed), oldest first."""
        return list(self.query("SELECT attempt, text FROM logs WHERE trial_id = ? ORDER BY attempt", (trial_id,)))

    def query(self, statement: str, parameters: Iterable[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a SELECT, one after another. Raises DamagedResults."""
        with self._checked(), closing(self._db.cursor()) as cursor:
            yield from cursor.execute(statement, tuple(parameters))

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """All queries inside see the journal as it is at the first of them."""
        if self._db.in_transaction:  # the writer's own, which sees what it has written
            yield
            return
        with self._checked():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.rollback()

    # inside

    def _create(self) -> None:
        self._db.execute("BEGIN")
        for statement in sql.schema_statements():
            self._db.execute(statement)
        self._db.execute("INSERT INTO meta VALUES ('results_version', ?)", (str(VERSION),))
        self._db.execute("INSERT INTO meta VALUES ('directory_id', ?)", (token_hex(4),))
        self._db.commit()

    def _check_whole(self) -> None:
        self._check_version()
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise DamagedResults(
                f"{self._path} is damaged ({verdict}); restore it from a copy, or use another --results"
            )

    def _check_version(self) -> None:
        if (found := self._version()) > VERSION:
            raise DamagedResults(
                f"{self._path} has results version {found}, this orch reads {VERSION}; use a newer orch"
            )

    def _version(self) -> int:
        found = self.meta("results_version")
        if found is None or not found.isdecimal():
            raise DamagedResults(
                f"{self._path} has no results version; restore it from a copy, or use another --results"
            )
        return int(found)

    def _close_attempts(self, status: str, reason: str) -> None:
        self._db.execute("UPDATE attempts SET status = ?, reason = ? WHERE status = 'running'", (status, reason))

    def _end_attempt(self, event: Ended | Broke, status: str, reason: str | None, error: str | None) -> None:
        with self._checked():
            self._db.execute(
                "UPDATE attempts SET status = ?, reason = ?, error = ?, finished_at = ? WHERE trial_id = ? AND attempt = ?",
                (status, reason, error, sql.to_sql(event.at), event.trial_id, event.attempt),
            )
        if event.log:
            self._write("logs", [{"trial_id": event.trial_id, "attempt": event.attempt, "text": event.log}])

    def _update_trial(self, trial_id: str, values: dict[str, Any]) -> None:
        with self._checked():
            self._db.execute(
                sql.update("trials", list(values), "trial_id"),
                [*(sql.to_sql(value) for value in values.values()), trial_id],
            )

    def _write(self, table: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        with self._checked():
            self._db.executemany(
                sql.upsert(table, list(rows[0])), ([sql.to_sql(value) for value in row.values()] for row in rows)
            )

    def _checked(self) -> AbstractContextManager[None]:
        return checked(self._path)
