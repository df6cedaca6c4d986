"""What a sweep holds while it runs: its results directory, locked, and those who write for others beside it."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from orchestrator.errors import DamagedResults, InfrastructureLost, LockedResults, ResultsGone, UserError
from orchestrator.grid import GridSpec
from orchestrator.plan.progress import Progress
from orchestrator.store.journal import Journal
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import JournalPlace, place_of
from orchestrator.store.predictions.waiting import Written
from orchestrator.store.rekeying.files import rename_files
from orchestrator.store.rekeying.trials import RENAMES_DUE
from orchestrator.store.tables import export, refuse_damaged_tables
from orchestrator.sweep.stop import Stopping
from orchestrator.wandb.ledger import rename_runs
from orchestrator.wandb.process import WandbWriter
from results_schema import TRIALS

# Keeps the Parquet tables fresh while a sweep runs, beside it and never in its way.

PERIOD: Final = 30.0
"""Seconds between two exports at least."""
PATIENCE: Final = 20.0
"""An export is not begun before this many times what the last one took has passed."""


class Exporter:
    """A thread that reads the committed journal, has it copied where others look, and writes the tables."""

    def __init__(self, paths: ResultsPaths, place: JournalPlace, written: Written | None = None) -> None:
        """written: is told whose predictions the journal need not have any more."""
        self._paths, self._place, self._written = paths, place, written or Written()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)
        self.failure: str | None = None
        """Why the latest refresh did not succeed. The final export, in the main thread, raises."""
        self._abandoned, self._first = False, PERIOD
        self._writing = threading.Lock()
        self.seconds = 0.0
        """What the latest export took."""

    def start(self, *, at_once: bool = False) -> None:
        """at_once: write the tables without waiting for the first period."""
        self._first = 0.0 if at_once else PERIOD
        self._thread.start()

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Write all tables now, and leave them so while they are read. Raises as `finish`."""
        with self._writing:
            self._export_all()
            yield

    def abandon(self) -> None:
        """The results directory is not in its place any more: what is left for `finish` is to stop."""
        self._abandoned, self.failure = True, None

    def finish(self) -> None:
        """Stop refreshing and export a last time. Raises DamagedResults, ResultsGone, InfrastructureLost (a full disk)."""
        self._stop.set()
        self._thread.join()
        if not self._abandoned:
            self._export_all()

    def _export_all(self) -> None:
        try:
            self._export(everything=True)
        except OSError as error:
            raise InfrastructureLost(
                f"cannot write the tables of {self._paths.root}: {error}; the journal has everything: the same command"
                " writes them again"
            ) from error

    def _run(self) -> None:
        wait = self._first
        while not self._stop.wait(wait):
            try:
                with self._writing:
                    self._export(everything=False)
                self.failure = None
            except Exception as error:  # noqa: BLE001 - the sweep goes on; the final export raises what still holds
                self.failure = str(error)
            wait = max(PERIOD, PATIENCE * self.seconds)

    def _export(self, *, everything: bool) -> None:
        began = time.monotonic()
        self._place.publish()
        with closing(Journal.read(self._place.published)) as journal:
            self._written.add(export(journal, self._paths, self._place.check, everything=everything))
        self.seconds = time.monotonic() - began


WANDB_SECONDS: Final = 60.0
"""What the W&B writer is waited for at the end; it goes on by itself after that."""
WANDB_SECONDS_WHEN_STOPPED: Final = 2.0
"""The same when a signal or an error has ended the sweep: its user is waiting."""
_NOTES: Final = {
    "writing": "W&B runs are still being written, by a process that ends by itself; see {log}",
    "pending": "W&B does not have all runs yet (see {log}); `orch wandb push {results}` sends the rest",
    "broken": "the process that writes W&B runs has failed (see {log}); `orch wandb push {results}` sends the rest",
}
"""How the W&B writer ended, as the user reads it. The sweep itself is none the worse for it."""


@dataclass(frozen=True, slots=True)
class SweepSession:
    """What a sweep holds while it writes its results."""

    lock: ResultsLock
    place: JournalPlace
    journal: Journal


@contextmanager
def open_session(paths: ResultsPaths, progress: Progress, stopping: Stopping) -> Iterator[SweepSession]:
    """The results directory, locked, and its journal."""
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write results to {paths.root}: {error}") from error
    with ResultsLock(paths, progress.note, stopping.check) as lock:
        place = place_of(paths, lock.check_now)
        refuse_damaged_tables(paths)
        if paths.checksums.exists() and not place.journal.exists():  # a new one would soon be written over them
            raise DamagedResults(
                f"{place.journal} is gone, but its tables are not; `orch repair {paths.root}` rebuilds it"
            )
        journal = Journal.create_or_open(place.journal)
        try:
            if (message := place.opened(journal)) is not None:
                progress.note(message)
            _finish_renaming(journal, paths)
            yield SweepSession(lock, place, journal)
        except BaseException:
            journal.close()
            try:
                place.finish()
            except (InfrastructureLost, LockedResults) as error:  # what ended the sweep is reported last
                progress.note(str(error))
            raise
        journal.close()
        place.finish()


def _finish_renaming(journal: Journal, paths: ResultsPaths) -> None:
    """What an older orch has left of trials that have another id now has it too (ADR 23)."""
    try:
        if journal.meta(RENAMES_DUE) is not None:
            rename_runs(paths.wandb_sent, journal.renamed_trials())
        rename_files(journal, paths)
    except OSError as error:
        raise InfrastructureLost(f"cannot rename files in {paths.root}: {error}; the same command goes on") from error


@contextmanager
def reported(
    grid: GridSpec, paths: ResultsPaths, place: JournalPlace, progress: Progress, *, left: int, written: Written
) -> Iterator[Exporter]:
    """Tables that are fresh while the sweep runs and complete when it ends, however it ends; and the W&B writer.

    written: as `Exporter` has it.
    left: trials that have still to run. The tables of an earlier sweep do not know of them, and would be read as its end.
    """
    exporter, writer = Exporter(paths, place, written), WandbWriter()
    exporter.start(at_once=left > 0 and paths.table(TRIALS.name).exists())
    try:
        writer.start(paths, grid.wandb.mode, grid.wandb.destination(grid.name))
    except OSError as error:
        progress.note(f"W&B runs are not written ({error}); `orch wandb push {paths.root}` sends them later")
    patience = WANDB_SECONDS_WHEN_STOPPED
    try:
        yield exporter
        patience = WANDB_SECONDS
    except ResultsGone:
        exporter.abandon()
        raise
    finally:
        if exporter.failure is not None:
            progress.note(f"the tables could not be refreshed while the sweep ran: {exporter.failure}")
        exporter.finish()
        if (ending := writer.finish(patience)) != "written":
            progress.note(_NOTES[ending].format(log=paths.wandb_log, results=paths.root))
