"""Where a gang and the sweep meet: every rank gets every order; the first rank's events go out.

An attempt's end goes out when all ranks have come to theirs, so that no rank is still at work on a trial that is over.
A rank that fails alone leaves the others waiting in a collective operation: after a moment of patience its failure goes
out as it is, marked so that the gang is replaced.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from orchestrator.engine import Broke, Ended, Event, Exchanged, FailureKind
from orchestrator.engine.memory import own_bytes
from trainables.order import TrialOrder

PATIENCE: Final = 3.0
"""Seconds that the other ranks are given to fail too."""


Attempt = tuple[str, int]
"""A trial's id and the number of the attempt at it."""


class GangDesk:
    """A small actor that belongs to no rank. Thread-safe."""

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._orders: dict[int, TrialOrder] = {}
        self._submitted = 0
        self._fetched: dict[int, int] = {}
        self._events: deque[Event] = deque()
        self._ends: dict[Attempt, dict[int, Ended | Broke]] = {}
        """Of attempts that not all ranks have ended: a rank may be ahead of the others by an order or more."""
        self._failures: dict[Attempt, float] = {}
        """When the first rank failed at each of these."""
        self._broken = False
        self._closed = False
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

    def close(self) -> None:
        """The ranks leave their loops."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    # the ranks' side

    def order(self, number: int, timeout: float) -> TrialOrder | bool:
        """The order of this number; True when there is none yet; False when the gang is closed."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._broken or number in self._orders, timeout)
            if self._closed or self._broken:
                return False
            if number not in self._orders:
                return True
            order = self._orders[number]
            self._fetched[number] = self._fetched.get(number, 0) + 1
            if self._fetched[number] == self._ranks:
                del self._orders[number], self._fetched[number]
            return order

    def emit(self, rank: int, event: Event) -> None:
        with self._change:
            if isinstance(event, Ended | Broke):
                self._end(rank, event)
            elif rank == 0:
                self._events.append(event)
            self._change.notify_all()

    def wait_closed(self, timeout: float) -> bool:
        """Whether the gang is broken, so that a rank that hangs has to be ended; waits up to `timeout` seconds."""
        with self._change:
            self._change.wait_for(lambda: self._broken, timeout)
            return self._broken

    # inside

    def _end(self, rank: int, event: Ended | Broke) -> None:
        if self._broken:
            return  # its verdict is out
        attempt = (event.trial_id, event.attempt)
        self._ends.setdefault(attempt, {})[rank] = event
        if isinstance(event, Broke):
            self._failures.setdefault(attempt, time.monotonic())
        if len(self._ends[attempt]) == self._ranks:
            self._conclude(attempt)

    def _conclude(self, attempt: Attempt) -> None:
        self._failures.pop(attempt, None)
        self._events.append(_verdict(self._ends.pop(attempt)))

    def _lose_patience(self) -> None:
        now = time.monotonic()
        for attempt in [attempt for attempt, failed in self._failures.items() if now - failed >= PATIENCE]:
            self._conclude(attempt)
            self._broken = True
            self._change.notify_all()


def _verdict(ends: dict[int, Ended | Broke]) -> Ended | Broke:
    """The first rank's end, unless a rank knows of a failure that is not only the echo of another's."""
    broke = [end for _, end in sorted(ends.items()) if isinstance(end, Broke)]
    own = [end for end in broke if end.failure.kind is not FailureKind.WORKER_LOST]
    return (own or broke or [ends[0]])[0]
