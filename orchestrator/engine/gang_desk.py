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


class GangDesk:
    """A small actor that belongs to no rank. Thread-safe."""

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._orders: dict[int, TrialOrder] = {}
        self._submitted = 0
        self._fetched: dict[int, int] = {}
        self._events: deque[Event] = deque()
        self._ends: dict[int, Ended | Broke] = {}
        self._first_failure: float | None = None
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
        self._ends[rank] = event
        if isinstance(event, Broke) and self._first_failure is None:
            self._first_failure = time.monotonic()
        if len(self._ends) == self._ranks:
            self._events.append(self._verdict())
            self._ends.clear()
            self._first_failure = None

    def _verdict(self) -> Ended | Broke:
        """The first rank's end, unless another rank knows of a failure that is not only the echo of one."""
        broke = [end for _, end in sorted(self._ends.items()) if isinstance(end, Broke)]
        own = [end for end in broke if end.failure.kind is not FailureKind.WORKER_LOST]
        return (own or broke)[0] if broke else self._ends[0]

    def _lose_patience(self) -> None:
        if self._first_failure is None or time.monotonic() - self._first_failure < PATIENCE:
            return
        self._events.append(self._verdict())
        self._ends.clear()
        self._first_failure = None
        self._broken = True
        self._change.notify_all()
