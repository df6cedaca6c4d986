"""What one process writes: the runs, and when W&B has all of them what is said of the whole."""

from collections.abc import Callable

from orchestrator.grid.settings import Destination
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_to_read
from orchestrator.wandb.attaching import read_winners
from orchestrator.wandb.patience import Patience
from orchestrator.wandb.tracker import Tracker, Unreachable
from orchestrator.wandb.writer import Writer, WriteResult

Say = Callable[[str], None]


def write(
    paths: ResultsPaths,
    to: Destination,
    patience: Patience,
    *,
    online: bool,
    report: bool,
    stop: Callable[[], bool] | None,
    say: Say,
) -> tuple[WriteResult, str]:
    """What was written, and the report's address; empty where there is none. stop: whether the sweep is over; None where
    what has ended is written and no more.
    """
    tracker = Tracker(paths.root, to, patience)
    journal = Journal.read(journal_to_read(paths))
    try:
        writer = Writer(paths, journal, tracker, to, patience, online=online, follow=stop is not None, say=say)
        if report:  # which asks for the account anyway
            writer.settle()
        written = writer.follow(stop or (lambda: True))
        say(f"{written.written} runs written" + (f", {written.pending} pending" if written.pending else ""))
        if not (online and report and written.finished) or written.pending != written.deleted:
            return written, ""
        changed = bool(written.written or written.there)
        return written, _conclude(paths, tracker, writer, to.project, changed, say)
    finally:
        journal.close()
        tracker.close()


def _conclude(paths: ResultsPaths, tracker: Tracker, writer: Writer, project: str, changed: bool, say: Say) -> str:
    """What is said when W&B has all runs. The address of the sweep's report; empty where something could not be said."""
    from orchestrator.wandb.board import Board

    try:
        writer.conclude(read_winners(paths))
        address = Board(paths).save(tracker.entity, project, changed=changed)
    except Unreachable as away:
        say(f"the W&B report is not written ({away}); `orch wandb push {paths.root}` writes it")
        return ""
    say(f"report: {address}")
    return address
