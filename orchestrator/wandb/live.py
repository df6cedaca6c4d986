"""Runs of trials that train: opened while they do, given each epoch's row, and handed over when their trials have ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from orchestrator.store.journal import Journal
from orchestrator.wandb.ledger import Ledger
from orchestrator.wandb.open_run import OpenRun
from orchestrator.wandb.runs import Run, Running, RunUnit, running_trials
from orchestrator.wandb.tracker import Refused, RunStatus, Tracker, Unreachable

LONG_SECONDS: Final = 60.0
"""A trial that takes longer has a run that is live, where the grid leaves that to us."""
MAX_OPEN: Final = 32
"""Runs at a time, each of which costs 2 MB and four open files. Those of other trials are sent when these have ended."""
_EVERY_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Live:
    """A run that is open."""

    opened: OpenRun
    logged_at: float = 0.0
    """When it was given the oldest of the rows below, on the monotonic clock."""
    logged: int = 0
    """Rows that W&B has to have in good time; 0 where it has confirmed all."""


class LiveRuns:
    """The open runs of one writer. After Unreachable none is open, and each is taken up where W&B counts its rows."""

    def __init__(
        self,
        journal: Journal,
        tracker: Tracker,
        ledger: Ledger,
        *,
        when: Literal["auto", "on", "off"],
        read: Callable[[RunUnit], Run],
        refused: Callable[[RunUnit, str, Refused], None],
        held_back: Callable[[RunUnit], bool],
        arrives_in_seconds: float,
    ) -> None:
        """arrives_in_seconds: after so long, W&B is asked whether the rows that it was given are there."""
        self._journal, self._tracker, self._ledger, self._when = journal, tracker, ledger, when
        self._read, self._refused, self._held_back = read, refused, held_back
        self._arrives_in = arrives_in_seconds
        self._open: dict[RunUnit, _Live] = {}
        self._used = False
        self._again_at = 0.0

    def tick(self) -> None:
        """Send what the journal has by now; at most so often that it costs nothing. Raises Unreachable."""
        if self._when == "off" or (now := time.monotonic()) < self._again_at:
            return
        self._begin([trial for trial in self._long() if trial.unit not in self._open])
        for trial in self._long():
            live = self._open.get(trial.unit)
            if live is not None and trial.epochs > live.opened.rows:
                self._tracker.log(live.opened, self._read(trial.unit))
                if not live.logged:
                    live.logged, live.logged_at = live.opened.rows, time.monotonic()
        if any(self._is_due(live, now) for live in self._open.values()):
            self._check(now)
        self._again_at = time.monotonic() + _EVERY_SECONDS

    def take(self, unit: RunUnit) -> OpenRun | None:
        """Hand over the run of a trial that has ended, for another to complete; None where it is not open."""
        live = self._open.pop(unit, None)
        return None if live is None else live.opened

    def lost(self) -> bool:
        """Forget all open runs. Returns whether any was open since the last time."""
        self._open.clear()
        used, self._used = self._used, False
        if used:
            self._tracker.drop()  # it may be there, where W&B has dropped rows in silence
        return used

    def leave(self) -> None:
        """The sweep is over; what still trained has been stopped. Raises Unreachable."""
        while self._open:
            unit, live = self._open.popitem()
            self._tracker.leave(live.opened, self._id(unit))

    def _long(self) -> list[Running]:
        running = running_trials(self._journal, datetime.now(UTC))
        return [trial for trial in running if self._is_long(trial) and not self._held_back(trial.unit)]

    def _is_long(self, trial: Running) -> bool:
        if self._when == "on" or self._ledger.state(self._id(trial.unit)) == "live":
            return True
        return max(trial.seconds, trial.expected_seconds) >= LONG_SECONDS

    def _begin(self, trials: list[Running]) -> None:
        """Begin the runs that have rows: one without any shows nothing."""
        wanted = [trial.unit for trial in trials if trial.runs and trial.epochs][: MAX_OPEN - len(self._open)]
        if not wanted:
            return
        there = self._tracker.arrived([self._id(unit) for unit in wanted])
        for unit in wanted:
            known = there.get(self._id(unit))
            self._ledger.add(unit, self._id(unit), "live")
            try:
                opened = self._tracker.begin(self._read(unit), None if known is None else known.rows)
            except Refused as failed:  # the service was ended to get rid of it
                self.lost()
                self._refused(unit, self._id(unit), failed)
                return
            self._open[unit], self._used = _Live(opened), True

    def _check(self, now: float) -> None:
        """That a call returned does not say that W&B has taken the rows: it may have refused the stream in silence."""
        found = self._tracker.arrived([self._id(unit) for unit in self._open])
        for unit, live in self._open.items():
            rows = found.get(self._id(unit), RunStatus(0, ended=False)).rows
            is_due = self._is_due(live, now)
            if is_due and rows < live.logged:
                raise Unreachable(
                    f"{live.logged - rows} rows of the run {self._id(unit)} were sent, and W&B does not have them"
                )
            if rows >= live.opened.rows:
                live.logged = 0
            elif is_due:
                live.logged, live.logged_at = live.opened.rows, now

    def _is_due(self, live: _Live, now: float) -> bool:
        return live.logged > 0 and now - live.logged_at >= self._arrives_in

    def _id(self, unit: RunUnit) -> str:
        return unit.run_id(self._journal.directory_id)
