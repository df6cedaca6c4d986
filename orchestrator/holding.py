"""What a sweep holds while it runs: its results directory, locked, and those who write for others beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from orchestrator.errors import DamagedResults, InfrastructureLost, LockedResults, ResultsGone, UserError
from orchestrator.exporter import Exporter
from orchestrator.grid import GridSpec
from orchestrator.progress import Progress
from orchestrator.reports.wandb_process import WandbWriter
from orchestrator.stopping import Stopping
from orchestrator.store.journal import Journal
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import JournalPlace, place_of
from orchestrator.store.tables import refuse_damaged_tables
from results_schema import TRIALS

WANDB_SECONDS: Final = 60.0
"""What the W&B writer is waited for at the end; it goes on by itself after that."""
WANDB_SECONDS_WHEN_STOPPED: Final = 2.0
"""The same when a signal or an error has ended the sweep: its user is waiting."""
_TOLD: Final = {
    "writing": "W&B runs are still being written, by a process that ends by itself; see {log}",
    "pending": "W&B does not have all runs yet (see {log}); `orch wandb push {results}` sends the rest",
    "broken": "the process that writes W&B runs has failed (see {log}); `orch wandb push {results}` sends the rest",
}
"""How the W&B writer ended, as the user reads it. The sweep itself is none the worse for it."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What a sweep holds while it writes its results."""

    lock: ResultsLock
    place: JournalPlace
    journal: Journal


@contextmanager
def writing_to(paths: ResultsPaths, progress: Progress, stopping: Stopping) -> Iterator[Writing]:
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
                f"{place.journal} is gone and its tables are not; `orch repair {paths.root}` rebuilds it"
            )
        journal = Journal.create_or_open(place.journal)
        try:
            if (told := place.opened(journal)) is not None:
                progress.note(told)
            yield Writing(lock, place, journal)
        except BaseException:
            journal.close()
            try:
                place.finish()
            except (InfrastructureLost, LockedResults) as error:  # what ended the sweep is told last
                progress.note(str(error))
            raise
        journal.close()
        place.finish()


@contextmanager
def reported(
    grid: GridSpec, paths: ResultsPaths, place: JournalPlace, progress: Progress, *, left: int
) -> Iterator[Exporter]:
    """Tables that are fresh while the sweep runs and complete when it ends, however it ends; and the W&B writer.

    left: trials that have still to run. The tables of an earlier sweep do not know of them, and would be read as its end.
    """
    exporter, writer = Exporter(paths, place), WandbWriter()
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
        if exporter.trouble is not None:
            progress.note(f"the tables could not be refreshed while the sweep ran: {exporter.trouble}")
        exporter.finish()
        if (ending := writer.finish(patience)) != "written":
            progress.note(_TOLD[ending].format(log=paths.wandb_log, results=paths.root))
