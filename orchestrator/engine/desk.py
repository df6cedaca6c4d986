"""Where a slot and the sweep meet: orders go in, events come out. Thread-safe, free of Ray."""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Sequence

from orchestrator.engine import EpochDone, Event
from trainables.order import TrialOrder


class Desk:
    """Holds orders until they are executed and events until they are fetched."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[TrialOrder] = queue.SimpleQueue()
        self._events: deque[Event] = deque()
        self._news = threading.Condition()
        self._stopped: set[str] = set()
        """Trials that have been told to stop and have not ended."""

    def submit(self, orders: Sequence[TrialOrder]) -> None:
        for order in orders:
            self._orders.put(order)

    def withdraw(self) -> list[str]:
        """Take back the orders that nobody has taken yet, and say whose they were."""
        withdrawn = []
        with contextlib.suppress(queue.Empty):
            while True:
                withdrawn.append(self._orders.get_nowait().trial_id)
        return withdrawn

    def next_order(self, timeout: float | None = None) -> TrialOrder | None:
        """The oldest order; None when there is none within `timeout` seconds (None waits for ever)."""
        try:
            return self._orders.get(timeout=timeout)
        except queue.Empty:
            return None

    def stop(self, trial_id: str) -> None:
        """The trial is to stop at the end of its epoch. One that has ended already is not here any more."""
        with self._news:
            self._stopped.add(trial_id)

    def emit(self, event: Event) -> bool:
        """Whether the event's trial is to stop."""
        with self._news:
            self._events.append(event)
            self._news.notify()
            stops = event.trial_id in self._stopped
            if not isinstance(event, EpochDone):  # begins or ends: what was said of an earlier attempt is over
                self._stopped.discard(event.trial_id)
            return stops and isinstance(event, EpochDone)

    def exchange(self, orders: Sequence[TrialOrder], timeout: float) -> list[Event]:
        """Leave orders and fetch all events; waits up to `timeout` seconds while there is none."""
        self.submit(orders)
        with self._news:
            self._news.wait_for(lambda: bool(self._events), timeout)
            events = list(self._events)
            self._events.clear()
        return events
