"""The truth about every trial and attempt: an SQLite file that a sweep writes by way of this module and `sql.Planning`.

A change is *finished* when it is committed. Commits are batched by the caller: what is committed (`commit`) survives the
machine, and what is flushed (`flush`), which is cheap, this process. All writes are idempotent by trial id,
attempt and epoch.
"""

import sqlite3
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Started
from orchestrator.store import findings, journal_schema, sql
from orchestrator.store.connection import checked, checked_io, connect
from orchestrator.store.predictions import waiting
from orchestrator.store.rekeying.trials import renamed_trials
from orchestrator.store.sealing.inspection import refuse_damage
from orchestrator.store.sealing.journal_writer import JournalWriter
from orchestrator.store.sql import Planning, keep_cell, outcome_values
from orchestrator.store.version import migrate, migrated_copy, version_of
from results_schema import (
    ATTEMPTS,
    BREAKDOWN,
    ENDED,
    ENVIRONMENTS,
    EPOCHS,
    VERSION,
    AttemptRow,
    CellRow,
    EnvironmentRow,
    Table,
)
from trainables.columns import values_of

CACHE_KB: Final = 32 * 1024
"""Of pages that are kept in memory at most: the indexes of 100,000 trials, whose ids come in no order, fit in it."""
_LOST: Final = "the sweep that ran it ended before it did"


class Journal:
    """One results directory's journal. Use `create_or_open` to write it, `read` to look at it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, writer: JournalWriter | None = None) -> None:
        """writer: of one that is written."""
        self._db, self._path, self._writer = connection, path, writer

    @classmethod
    def create_or_open(cls, path: Path) -> Self:
        """For the one writer, who holds the lock. Raises DamagedResults, UserError, InfrastructureLost."""
        path.parent.mkdir(parents=True, exist_ok=True)
        journal_schema.refuse_what_is_not_ours(path)
        refuse_damage(path)
        with checked_io(path):
            writer = JournalWriter(path)
        db = connect(path)
        journal = cls(db, path, writer)
        weakref.finalize(journal, writer.close, db)  # never closed without: SQLite would change what is sealed
        with journal._opening():
            for setting in ("journal_mode = WAL", "wal_autocheckpoint = 0", f"cache_size = -{CACHE_KB}"):
                db.execute(f"PRAGMA {setting}")
            db.execute("PRAGMA synchronous = NORMAL")  # the writer brings the log to the disk, commit by commit
            if journal_schema.is_empty(db):
                journal_schema.create(db)
            else:
                journal_schema.check_intact(db, path)
                if (found := version_of(db, path)) < VERSION:
                    migrate(db, path, found, VERSION)
                journal_schema.add_scores(db)
                journal_schema.check_schema(db, path)
                journal_schema.refuse_unknown_scores(db, path)
            writer.begin(db)
            db.execute("BEGIN")
        return journal

    @classmethod
    def read(cls, path: Path, *, as_planned: bool = False) -> Self:
        """For anyone, also while a sweep writes. Raises DamagedResults, FileNotFoundError.

        as_planned: trials of an older orch have the ids under which a plan of now looks for them.
        """
        if not path.exists() and not path.is_symlink():
            raise FileNotFoundError(path)
        db = connect(path, read_only=True)
        journal = cls(db, path)
        with journal._checked():
            journal_schema.check_version(db, path)
            if version_of(db, path) < VERSION or journal_schema.lacks_scores(db):
                with closing(db):
                    journal = cls(migrated_copy(db, path, VERSION, as_planned=as_planned), path)
            journal_schema.check_schema(journal._db, path)
        return journal

    def close(self) -> None:
        try:
            with checked_io(self._path):
                if self._db.in_transaction:
                    self._db.commit()
                    if self._writer is not None:
                        self._writer.committed(self._db)
        finally:
            if self._writer is None:
                self._db.close()
            else:
                self._writer.close(self._db)

    def commit(self) -> None:
        """Make everything written so far durable."""
        assert self._writer is not None, "this journal was opened to be read"
        with checked_io(self._path):
            self._db.commit()
            self._writer.committed(self._db)
            self._db.execute("BEGIN")

    def flush(self) -> None:
        """Make everything written so far outlast this process, however it ends. The next `commit` makes it durable."""
        with checked_io(self._path):
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

    def remember(self, key: str, value: str | None) -> None:
        """Keep a fact about the results directory, to be had by `meta`; None forgets it."""
        with self._checked():
            if value is None:
                self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def environment(self, row: EnvironmentRow) -> None:
        """Keep what an invocation runs on and with."""
        self._write(ENVIRONMENTS, [row])

    # what happens to a trial

    def started(self, event: Started, environment_id: str) -> None:
        first = self._first_attempt(event) if event.attempt > 1 else 1
        with self._checked():
            self._db.execute("DELETE FROM epochs WHERE trial_id = ?", (event.trial_id,))
            self._db.execute(
                "UPDATE trials SET status = 'running', reason = NULL, side_effects = NULL, attempts = ?, started_at = ?,"
                " finished_at = NULL, environment_id = ? WHERE trial_id = ?",
                (event.attempt, sql.to_sql(event.at), environment_id, event.trial_id),
            )
        attempt = AttemptRow(
            attempt=event.attempt,
            status="running",
            slot=event.slot,
            host=event.host,
            pid=event.pid,
            resumed_epoch=event.resumed_epoch,
            first_attempt=first,
            started_at=event.at,
            environment_id=environment_id,
        )
        self._write(ATTEMPTS, [attempt], event.trial_id)

    def tuned(self, trial_id: str, values: str, config: CellRow) -> None:
        """A trial runs, or will run, with these values (JSON) of its cell's open parameters, which make `config`."""
        with self._checked():
            keep_cell(self._db, config)
            self._db.execute(
                "UPDATE trials SET tuned = ?, config_id = ? WHERE trial_id = ?", (values, config.cell_id, trial_id)
            )
            (own,) = self._db.execute("SELECT cell_id FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
            self._db.execute(sql.CALL_AS, (config.cell_id, own))

    def set_aside(self, trial_id: str, status: str, reason: str | None) -> None:
        """A trial that does not run waits again (`pending`), or is skipped for a reason."""
        self._update_trial(trial_id, {"status": status, "reason": reason})

    def epoch_done(self, event: EpochDone) -> None:
        self._write(EPOCHS, [event.row], event.trial_id)

    def attempt_finished(self, event: AttemptFinished) -> None:
        """The attempt came to its end: the trial's row, its classes, curves and predictions."""
        values = {**outcome_values(event.result), "finished_at": event.at, **_side_effects(event)}
        self._update_trial(event.trial_id, values)
        with self._checked():
            for table in BREAKDOWN:
                self._db.execute(f"DELETE FROM {table.name} WHERE trial_id = ?", (event.trial_id,))
        for table in BREAKDOWN:
            self._write(table, getattr(event.result.breakdown, table.name, ()), event.trial_id)
        with self._checked():
            findings.keep(self._db, event.trial_id, event.result.breakdown)
            waiting.keep(self._db, event.trial_id, event.attempt, event.result.predictions)
        self._end_attempt(event, event.result.status, event.result.reason, None)

    def predictions_written(self, written: Iterable[waiting.Attempt]) -> None:
        """What these attempts said stands in parts of the table, and waits here no more."""
        with self._checked():
            waiting.forget(self._db, written)

    def give_up_predictions(self, there: Collection[str]) -> list[str]:
        """Trials that had predictions, which neither wait here nor are those of `there`: from now on they have none."""
        with self._checked():
            return waiting.give_up(self._db, there)

    def attempt_failed(self, event: AttemptFailed, status: str | None, reason: str) -> None:
        """The attempt broke; the trial's status is now `status`, or it waits again where that is None."""
        self._update_trial(
            event.trial_id,
            {
                "status": status or "pending",
                "reason": reason,
                "finished_at": event.at if status else None,
                **_side_effects(event),
            },
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

    def renamed_trials(self) -> Mapping[str, str]:
        """Old trial id to new, of those that an older orch knew by another (ADR 23)."""
        with self._checked():
            return renamed_trials(self._db)

    def unpredicted(self) -> frozenset[str]:
        """Trials that were completed and evaluate, of which no predictions are kept."""
        which = f"status = 'completed' AND {sql.TESTS} AND split_id IS NULL"
        return frozenset(trial_id for (trial_id,) in self.query(f"SELECT trial_id FROM trials WHERE {which}"))

    def skipped_for(self, reason: str) -> frozenset[str]:
        """Trials that were skipped for a reason that begins so."""
        rows = self.query(
            "SELECT trial_id FROM trials WHERE status = 'skipped' AND substr(reason, 1, ?) = ?", (len(reason), reason)
        )
        return frozenset(trial_id for (trial_id,) in rows)

    def cell_ids(self) -> set[str]:
        """Of every cell that the directory knows."""
        return {cell_id for (cell_id,) in self.query("SELECT cell_id FROM cells")}

    def source_digests(self) -> dict[str, str]:
        """Cell id to the digest of the source under which a trial of it was completed."""
        return dict(self.query("SELECT cell_id, source_digest FROM trials WHERE status = 'completed'"))

    def tuned_values(self) -> dict[str, str]:
        """Trial id to the values (JSON) that it ran with, or was to, of every trial that has some."""
        return dict(self.query("SELECT trial_id, tuned FROM trials WHERE tuned IS NOT NULL"))

    def by_epoch(self, trial_id: str, measure: str) -> list[float | None]:
        """A trial's values of one measure, epoch by epoch. measure: a column of `epochs`."""
        assert measure in EPOCHS.columns, measure
        statement = f'SELECT "{measure}" FROM epochs WHERE trial_id = ? ORDER BY epoch'
        return [value for (value,) in self.query(statement, (trial_id,))]

    def lost_inline(self) -> frozenset[str]:
        """Trials that have not come to an end since a process that ran them and the sweep in one died under them."""
        rows = self.query(
            "SELECT trial_id, trials.status FROM trials JOIN attempts USING (trial_id)"
            " WHERE slot = 'inline' AND attempts.status = 'lost'"
        )
        return frozenset(trial_id for trial_id, status in rows if status not in ENDED)

    def attempts(self) -> dict[str, int]:
        """Trial id to the number of attempts so far, where there is one."""
        return dict(self.query("SELECT trial_id, attempts FROM trials WHERE attempts > 0"))

    def counts(self) -> dict[str, int]:
        """Status to the number of planned trials that have it."""
        return dict(self.query("SELECT status, count(*) FROM trials WHERE planned GROUP BY status ORDER BY status"))

    def skipped_reasons(self) -> dict[str, int]:
        """Reason to the number of planned trials that are skipped for it, the most frequent first."""
        return dict(
            self.query(
                "SELECT coalesce(reason, ''), count(*) FROM trials WHERE planned AND status = 'skipped'"
                " GROUP BY reason ORDER BY count(*) DESC, min(rowid)"
            )
        )

    def seconds_by_cell(self) -> dict[str, float]:
        """Cell id to the mean measured seconds of its finished trials, for expecting the next."""
        return dict(
            self.query(
                f"SELECT cell_id, avg({sql.TRIAL_SECONDS}) FROM trials WHERE train_seconds IS NOT NULL GROUP BY cell_id"
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

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """SQLite's errors as ours; what cannot be opened is closed."""
        try:
            with checked_io(self._path):
                yield
        except BaseException:
            self.close()
            raise

    def _first_attempt(self, event: Started) -> int:
        """The attempt with which the trial was begun that this one goes on with: itself where the trial had ended."""
        statement = (
            "SELECT attempts.first_attempt FROM trials JOIN attempts USING (trial_id)"
            " WHERE trial_id = ? AND trials.finished_at IS NULL AND attempt = trials.attempts"
        )
        return next((first for (first,) in self.query(statement, (event.trial_id,)) if first), event.attempt)

    def _close_attempts(self, status: str, reason: str) -> None:
        self._db.execute("UPDATE attempts SET status = ?, reason = ? WHERE status = 'running'", (status, reason))

    def _end_attempt(
        self, event: AttemptFinished | AttemptFailed, status: str, reason: str | None, error: str | None
    ) -> None:
        with self._checked():
            self._db.execute(
                "UPDATE attempts SET status = ?, reason = ?, error = ?, finished_at = ? WHERE trial_id = ? AND attempt = ?",
                (status, reason, error, sql.to_sql(event.at), event.trial_id, event.attempt),
            )
        if event.log:
            with self._checked():
                self._db.execute(
                    "INSERT OR REPLACE INTO logs (trial_id, attempt, text) VALUES (?, ?, ?)",
                    (event.trial_id, event.attempt, event.log),
                )

    def _update_trial(self, trial_id: str, values: dict[str, Any]) -> None:
        with self._checked():
            self._db.execute(
                sql.update("trials", tuple(values), "trial_id"), [*sql.row_to_sql(values.values()), trial_id]
            )

    def _write(self, table: Table, rows: Sequence[object], trial_id: str | None = None) -> None:
        """rows: records of the table's `row`. trial_id: whose they are, where the table's rows are a trial's."""
        if not rows:
            return
        key = () if trial_id is None else (trial_id,)
        statement = sql.upsert(table.name, (*("trial_id" for _ in key), *values_of(rows[0])))
        values = ((*key, *sql.row_to_sql(values_of(row).values())) for row in rows)
        with self._checked():
            self._db.executemany(statement, values)

    def _checked(self) -> AbstractContextManager[None]:
        return checked(self._path)


def _side_effects(event: AttemptFinished | AttemptFailed) -> dict[str, str | None]:
    return {"side_effects": None if event.side_effects is None else str(event.side_effects)}
