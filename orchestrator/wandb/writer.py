"""Which runs W&B has, which it still needs, and when it is asked again; and all that one process writes.

When W&B has all of them, something is said of the whole.
"""

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.grid.settings import Destination
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_to_read
from orchestrator.wandb.attaching import Attaching, Winner, read_winners
from orchestrator.wandb.ledger import Ledger
from orchestrator.wandb.live import LiveRuns
from orchestrator.wandb.open_run import Media, read_media
from orchestrator.wandb.patience import Patience
from orchestrator.wandb.runs import (
    Run,
    RunUnit,
    finished_cells,
    finished_trials,
    measured_ends,
    read_cell,
    read_run,
)
from orchestrator.wandb.tracker import Refused, RunStatus, Tracker, Unreachable

# Runs that W&B answered and refused: those that their owners have deleted there never come back, others are tried
# again.

_IN_A_ROW: Final = 3
"""After so many it is not the runs."""
_DELETED: Final = "previously created and deleted"
"""What W&B says of a run that its owner has deleted."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The refusal of one run."""

    why: str
    again_at: float
    """On the monotonic clock; infinite where the run was deleted."""


class Refusals:
    """The runs that W&B has refused to one writer."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._of: dict[RunUnit, _Refusal] = {}
        self._in_a_row = 0
        """Those that were deleted not counted."""

    def note(self, unit: RunUnit, run_id: str, failed: Refused, pause: float) -> None:
        """pause: seconds until it is tried again. Raises what it is given where too many were refused in a row."""
        deleted = _DELETED in str(failed)
        self._of[unit] = _Refusal(str(failed), math.inf if deleted else time.monotonic() + pause)
        self._in_a_row += not deleted
        if self._in_a_row >= _IN_A_ROW:
            self._in_a_row = 0
            raise failed
        self._say(f"W&B does not take the run {run_id}: {failed}")

    def taken(self) -> None:
        """A run was not refused."""
        self._in_a_row = 0

    def has_deferred(self, unit: RunUnit, now: float) -> bool:
        return unit in self._of and self._of[unit].again_at > now

    def is_deleted(self, unit: RunUnit) -> bool:
        return unit in self._of and self._of[unit].again_at == math.inf

    def why(self, unit: RunUnit) -> str:
        return self._of[unit].why if unit in self._of else ""


POLL_SECONDS: Final = 2.0
_AT_ONCE: Final = 50
"""Runs that are sent before W&B is asked whether they have arrived."""
_FIRST_PAUSE_SECONDS: Final = 30.0
_LONGEST_PAUSE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What one process has done."""

    finished: int
    """Runs that there are to write, those of earlier processes among them."""
    written: int
    """Runs that were written, online or offline."""
    there: int
    """Runs that W&B already had, which the list of sent runs did not know."""
    pending: int
    """Runs of which W&B does not have all."""
    deleted: int
    """Those among them that their owner has deleted at W&B, which does not take them again."""
    failure: str
    """Why runs are pending; empty where none is."""


class Writer:
    """Follows a journal. An outage of W&B makes runs pending; nothing that happens to it harms a trial."""

    def __init__(
        self,
        paths: ResultsPaths,
        journal: Journal,
        tracker: Tracker,
        to: Destination,
        patience: Patience,
        *,
        online: bool,
        follow: bool,
        say: Callable[[str], None],
    ) -> None:
        """follow: whether the sweep runs."""
        self._patience = patience
        self._paths, self._journal, self._tracker, self._say = paths, journal, tracker, say
        self._online, self._to = online, to
        self._ledger = Ledger(paths.wandb_sent, tracker.place if online else None)
        self._written = self._there = 0
        self._failure = ""
        self._refusals = Refusals(say)
        self._pause, self._again_at = _FIRST_PAUSE_SECONDS, 0.0
        self._live = LiveRuns(
            journal,
            tracker,
            self._ledger,
            when=to.live if online and follow and to.runs == "trials" else "off",
            read=lambda unit: self._read(unit)[0],
            refused=self._refused,
            held_back=lambda unit: self._refusals.has_deferred(unit, time.monotonic()),
            arrives_in_seconds=patience.live_seconds,
        )
        attached = to if online and to.runs == "trials" else None
        self._attaching = Attaching(paths, journal, tracker, self._ledger, attached)
        self._measured: dict[str, str] = {}
        """What measurements have found out of trials, as it was looked up last."""

    def settle(self) -> None:
        """Ask whom the key stands for, so that what was sent for another does not count. Unknown, anybody's does."""
        if self._online:
            try:
                self._settle()
            except Unreachable as away:
                self._failure = str(away)

    def follow(self, stop: Callable[[], bool]) -> WriteResult:
        """Write what has finished, until `stop` and everything is written or cannot be."""
        while True:
            # asked before the journal is read: what is finished when the sweep ends is then surely seen
            last, now = stop(), time.monotonic()
            if last or now >= self._again_at:
                self._write([unit for unit in self._pending() if not self._refusals.has_deferred(unit, now)], last=last)
            if last:
                left = self._pending()
                return WriteResult(
                    finished=len(self._finished()),
                    written=self._written,
                    there=self._there,
                    pending=len(left),
                    deleted=sum(self._refusals.is_deleted(unit) for unit in left),
                    failure=self._why(left),
                )
            _wait(stop)

    def conclude(self, winners: tuple[Winner, ...]) -> None:
        """Attach models and alerts, once all runs are there. Raises Unreachable."""
        self._attaching.conclude(winners, lambda unit: self._read(unit)[0])

    def _why(self, left: list[RunUnit]) -> str:
        if not left:
            return ""
        return self._failure or next((why for unit in left if (why := self._refusals.why(unit))), "")

    def _finished(self) -> list[RunUnit]:
        return list(finished_cells(self._journal) if self._to.runs == "cells" else finished_trials(self._journal))

    def _pending(self) -> list[RunUnit]:
        self._measured = measured_ends(self._journal) if self._to.runs == "trials" else {}
        return [
            unit
            for unit in self._finished()
            if not self._is_there(unit) or self._lacks(unit) or self._lacks_measured(unit)
        ]

    def _lacks(self, unit: RunUnit) -> bool:
        return self._attaching.lacks(unit, self._run_id(unit))

    def _lacks_measured(self, unit: RunUnit) -> bool:
        """Whether its trial was measured since its run was written."""
        known = self._measured.get(unit.trial_id)
        return known is not None and self._ledger.beside("measured", self._run_id(unit)) != known

    def _is_there(self, unit: RunUnit) -> bool:
        return self._ledger.state(self._run_id(unit)) in (("online",) if self._online else ("online", "offline"))

    def _write(self, pending: list[RunUnit], *, last: bool) -> None:
        if not self._online:
            for unit in pending:
                self._write_offline(unit)
            return
        try:
            self._live.tick()
            if pending:
                self._send([unit for unit in pending if not self._is_there(unit)])
                self._attach(pending)
                self._tell(pending)
            if last:
                self._live.leave()
            self._pause, self._failure = _FIRST_PAUSE_SECONDS, ""
        except Unreachable as away:
            if self._live.lost() and last:  # what was sent into runs that were open: W&B may take it into others
                self._write([unit for unit in self._pending() if unit in pending], last=last)
                return
            self._failure = str(away)
            self._again_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
            self._say(
                f"W&B does not answer ({away}); runs are pending, `orch wandb push {self._paths.root}` sends them"
            )

    def _settle(self) -> None:
        self._ledger.settle(replace(self._tracker.place, entity=self._tracker.entity))
        self._attaching.look_again()

    def _send(self, pending: list[RunUnit]) -> None:
        """Raises Unreachable; runs that W&B has confirmed are then on the list."""
        if not pending:
            return
        self._settle()
        runs = {unit: self._run_id(unit) for unit in pending}
        there = self._tracker.arrived(list(runs.values()))
        for begin in range(0, len(pending), _AT_ONCE):
            rows: dict[RunUnit, int] = {}
            for unit in pending[begin : begin + _AT_ONCE]:
                run, media = self._read(unit)
                known, state = there.get(run.run_id), self._ledger.state(run.run_id)
                if known is not None and known.ended and known.rows >= len(run.epochs) and state != "live":
                    if state == "superseded":
                        self._tracker.restore(run)
                    self._confirm(unit, run.run_id)
                    self._there += 1
                    continue
                self._ledger.add(unit, run.run_id, "begun")
                if self._sent(unit, run, media, None if known is None else known.rows):
                    rows[unit] = len(run.epochs)
                self._live.tick()
            self._confirm_all({unit: (runs[unit], count) for unit, count in rows.items()})

    def _sent(self, unit: RunUnit, run: Run, media: Media, there: int | None) -> bool:
        """False where W&B answers and refuses this one run, such as one that its owner has deleted there."""
        try:
            opened = self._live.take(unit) or self._tracker.begin(run, there)
        except Refused as failed:
            self._refused(unit, run.run_id, failed)
            return False
        self._tracker.complete(opened, run, media)
        self._refusals.taken()
        return True

    def _refused(self, unit: RunUnit, run_id: str, failed: Refused) -> None:
        self._live.lost()  # the service was ended to get rid of that run
        self._tracker.arrived([run_id])
        self._refusals.note(unit, run_id, failed, self._pause)

    def _attach(self, pending: list[RunUnit]) -> None:
        for unit in pending:
            if self._is_there(unit) and self._lacks(unit):
                try:
                    self._attaching.attach(unit, self._read(unit)[0])
                except Refused as failed:
                    self._refused(unit, self._run_id(unit), failed)
                self._live.tick()

    def _tell(self, pending: list[RunUnit]) -> None:
        for unit in pending:
            if self._is_there(unit) and self._lacks_measured(unit):
                try:
                    self._tracker.tell(*self._read(unit))
                except Refused as failed:
                    self._refused(unit, self._run_id(unit), failed)
                else:
                    self._note_measured(unit)
                self._live.tick()

    def _note_measured(self, unit: RunUnit) -> None:
        """Its run has what was found out by the time it was looked up; it was read after that."""
        if (known := self._measured.get(unit.trial_id)) is not None:
            self._ledger.add_beside("measured", self._run_id(unit), known)

    def _confirm_all(self, sent: dict[RunUnit, tuple[str, int]]) -> None:
        """Ask W&B whether it has taken the rows: that a call returned does not say so."""
        ends, pause = time.monotonic() + self._patience.counted_seconds, 0.1
        while sent:
            found = self._tracker.arrived([run_id for run_id, _ in sent.values()])
            for unit, (run_id, rows) in list(sent.items()):
                if (known := found.get(run_id, RunStatus(0, ended=False))).ended and known.rows >= rows:
                    self._confirm(unit, run_id)
                    self._note_measured(unit)
                    self._written += 1
                    del sent[unit]
            if sent and time.monotonic() >= ends:
                raise Unreachable(f"{len(sent)} runs were sent, and W&B does not have all of them")
            if sent:
                self._live.tick()
                time.sleep(pause)
                pause = min(2 * pause, 2.0)

    def _confirm(self, unit: RunUnit, run_id: str) -> None:
        if earlier := self._ledger.earlier(unit, run_id):
            self._tracker.supersede(earlier)
            for other in earlier:
                self._ledger.add(unit, other, "superseded")
        self._forget_folders(unit, run_id)
        self._ledger.add(unit, run_id, "online")
        self._tracker.forget(run_id)  # of a writer that was killed

    def _forget_folders(self, unit: RunUnit, run_id: str) -> None:
        for written in {run_id, *self._ledger.in_folders(unit)}:
            self._tracker.forget(written, offline=True)

    def _write_offline(self, unit: RunUnit) -> None:
        run, media = self._read(unit)
        self._forget_folders(unit, run.run_id)  # the trial ran again, or we were killed while writing it
        self._tracker.write_offline(run, media)
        self._ledger.add(unit, run.run_id, "offline")
        self._note_measured(unit)
        self._written += 1

    def _read(self, unit: RunUnit) -> tuple[Run, Media]:
        directory = self._journal.directory_id
        if self._to.runs == "cells":
            run, shown = read_cell(self._journal, unit, directory)
        else:
            run, shown = read_run(self._journal, unit, directory), unit.trial_id
        run = replace(run, tags=tuple(dict.fromkeys((*run.tags, *self._to.tags))))
        return run, Media() if shown is None else read_media(self._journal, shown, self._paths)

    def _run_id(self, unit: RunUnit) -> str:
        return unit.run_id(self._journal.directory_id)


def _wait(stop: Callable[[], bool]) -> None:
    ends = time.monotonic() + POLL_SECONDS
    while time.monotonic() < ends and not stop():
        time.sleep(0.05)


def write(
    paths: ResultsPaths,
    to: Destination,
    patience: Patience,
    *,
    online: bool,
    report: bool,
    stop: Callable[[], bool] | None,
    say: Callable[[str], None],
) -> tuple[WriteResult, str]:
    """What was written, and the report's address; empty where there is none. stop: whether the sweep is over; None where
    what has ended is written and no more.
    """
    with (
        closing(Tracker(paths.root, to, patience)) as tracker,
        closing(Journal.read(journal_to_read(paths))) as journal,
    ):
        writer = Writer(paths, journal, tracker, to, patience, online=online, follow=stop is not None, say=say)
        if report:  # which asks for the account anyway
            writer.settle()
        written = writer.follow(stop or (lambda: True))
        say(f"{written.written} runs written" + (f", {written.pending} pending" if written.pending else ""))
        if not (online and report and written.finished) or written.pending != written.deleted:
            return written, ""
        changed = bool(written.written or written.there)
        return written, _conclude(paths, tracker, writer, to.project, changed, say)


def _conclude(
    paths: ResultsPaths, tracker: Tracker, writer: Writer, project: str, changed: bool, say: Callable[[str], None]
) -> str:
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
