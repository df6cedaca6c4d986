"""Where a gang and the sweep meet: every rank gets every order; the first rank's events go out.

An attempt's end goes out when all ranks have come to theirs, so that no rank is still at work on a trial that is over.
A rank that fails alone leaves the others waiting in a collective operation: after a moment of patience its failure goes
out as it is, marked so that the gang is replaced.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, Final

from orchestrator.engine import Broke, Ended, Event, Exchanged, FailureKind, spoils
from orchestrator.engine.memory import own_bytes
from trainables.order import TrialOrder
from trainables.process_state.change import SideEffects

PATIENCE: Final = 3.0
"""Seconds that the other ranks are given to fail too."""


class GangDesk:
    """A small actor that belongs to no rank. Thread-safe."""

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._orders: dict[int, TrialOrder] = {}
        self._submitted = 0
        self._fetched: dict[int, int] = {}
        self._events: deque[Event] = deque()
        self._stopped: set[str] = set()
        """Trials that have been told to stop."""
        self._concluded = 0
        """Orders that all ranks have come to the end of."""
        self._ends: dict[int, Ended | Broke] = {}
        """Of the order that the ranks are at, by rank."""
        self._first_failure: float | None = None
        self._broken = False
        self._closed = False
        self._reservation: Any = None
        """What the ranks hold, for the slot to give back."""
        self._change = threading.Condition()

    # the sweep's side

    def submit(self, orders: Sequence[TrialOrder]) -> None:
        with self._change:
            for order in orders:
                self._orders[self._submitted] = order
                self._submitted += 1
            self._change.notify_all()

    def withdraw(self) -> list[str]:
        """Take back the orders that no rank has fetched yet, and say whose they were."""
        with self._change:
            unfetched = [number for number in self._orders if number not in self._fetched]
            self._submitted -= len(unfetched)  # they are the latest: the next order takes the number of the first
            return [self._orders.pop(number).trial_id for number in unfetched]

    def exchange(self, orders: Sequence[TrialOrder], timeout: float) -> Exchanged:
        """Leave orders and fetch all events; waits up to `timeout` seconds while there is none."""
        self.submit(orders)
        ends = time.monotonic() + timeout
        with self._change:
            while not self._events and (left := ends - time.monotonic()) > 0:
                self._change.wait(min(left, 0.5))
                self._lose_patience()
            events = list(self._events)
            self._events.clear()
            return Exchanged(events, own_bytes(), usable=not self._broken)

    def stop(self, trial_id: str) -> None:
        """The trial is to stop at the end of its epoch."""
        with self._change:
            self._stopped.add(trial_id)

    def close(self) -> None:
        """The ranks leave their loops."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def reservation(self) -> Any:
        """The ranks' placement group; None while there is none."""
        return self._reservation

    # the ranks' side

    def reserved(self, placement_group: Any) -> None:
        """The ranks are up, in this placement group."""
        self._reservation = placement_group

    def order(self, number: int, timeout: float) -> TrialOrder | bool:
        """The order of this number; True when there is none yet; False when the gang is closed.

        Nor is there one while another rank is still at the order before: the ranks stay in step, so that what ends the
        gang is never laid to a trial that the others had not begun.
        """
        with self._change:
            self._change.wait_for(lambda: self._closed or self._broken or self._is_next(number), timeout)
            if self._closed or self._broken:
                return False
            if not self._is_next(number):
                return True
            order = self._orders[number]
            self._fetched[number] = self._fetched.get(number, 0) + 1
            if self._fetched[number] == self._ranks:
                del self._orders[number], self._fetched[number]
            return order

    def emit(self, rank: int, event: Event) -> bool:
        """Whether the event's trial is to stop; the ranks agree on it."""
        with self._change:
            if isinstance(event, Ended | Broke):
                self._end(rank, event)
            elif rank == 0:
                self._events.append(event)
            self._change.notify_all()
            return event.trial_id in self._stopped

    def wait_closed(self, timeout: float) -> bool:
        """Whether the gang is broken, so that a rank that hangs has to be ended; waits up to `timeout` seconds."""
        with self._change:
            self._change.wait_for(lambda: self._broken, timeout)
            return self._broken

    # inside

    def _is_next(self, number: int) -> bool:
        return number in self._orders and number <= self._concluded

    def _end(self, rank: int, event: Ended | Broke) -> None:
        if self._broken:
            return  # its verdict is out
        self._ends[rank] = event
        if isinstance(event, Broke) and self._first_failure is None:
            self._first_failure = time.monotonic()
        if len(self._ends) == self._ranks:
            self._conclude()

    def _conclude(self) -> None:
        verdict = _verdict(self._ends)
        self._events.append(verdict)
        self._stopped.discard(verdict.trial_id)
        self._ends = {}
        self._first_failure = None
        self._concluded += 1
        self._broken |= spoils(verdict)

    def _lose_patience(self) -> None:
        if self._first_failure is not None and time.monotonic() - self._first_failure >= PATIENCE:
            self._conclude()
            self._broken = True
            self._change.notify_all()


def _verdict(ends: dict[int, Ended | Broke]) -> Ended | Broke:
    """The first rank's end, unless a rank knows of a failure that is not only the echo of another's.

    With what any of them changed of its process.
    """
    broke = [end for _, end in sorted(ends.items()) if isinstance(end, Broke)]
    own = [end for end in broke if end.failure.kind is not FailureKind.WORKER_LOST]
    verdict = (own or broke)[0] if broke else ends[0]
    effects = [end.side_effects for end in ends.values() if end.side_effects is not None]
    return replace(verdict, side_effects=reduce(SideEffects.joined, effects)) if effects else verdict
