"""Waits for all slots at once, at a cost that does not grow with what they have to say."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import ray

from orchestrator.engine.slots import Slot

PAUSE: Final = 1e-5
"""Seconds for each reference between two calls of `ray.wait`, which takes 0.4 us of processor time for each: 4 % of it."""
SHORTEST_PAUSE: Final = 1e-3
"""Seconds below which it is not worth pausing: up to a hundred slots are waited for at once, and heard at once."""


class Arrivals:
    """The references that are waited for, each of a slot, and those of them that are ready.

    `ray.wait` looks at every reference that it is given. So it is asked again only when all has been taken that it found,
    and with many references not before others can have become ready too: what it takes is a small part of the time, not a
    part of every event. (Ray can call back for each reference instead, from a thread of its own, which then waits for
    Python's lock each time, and finds no Python any more where the process ends.)
    """

    def __init__(self) -> None:
        self._expected: dict[Any, Slot] = {}
        self._ready: deque[Any] = deque()
        self._asked = 0.0

    def expect(self, reference: Any, slot: Slot) -> Any:
        """Wait for a reference from now on. Returns it."""
        self._expected[reference] = slot
        return reference

    def forget(self, slot: Slot) -> None:
        """Its slot is closed."""
        for reference in (slot.reference, slot.withdrawal):
            self._expected.pop(reference, None)

    def are_left(self) -> bool:
        """Whether some are ready and have not been taken."""
        return bool(self._ready)

    def has(self, reference: Any) -> bool:
        """Whether it is ready, as Ray says now."""
        return bool(ray.wait([reference], num_returns=1, timeout=0)[0])

    def of(self, seconds: float) -> Iterator[tuple[Slot, Any]]:
        """Take what is ready, each with its slot; waits for it up to `seconds`. What is left will be there the next time."""
        if not self._ready:
            self._ready.extend(self._wait(seconds))
        while self._ready:
            reference = self._ready.popleft()
            if (slot := self._expected.pop(reference, None)) is not None:  # else its slot was closed meanwhile
                yield slot, reference

    def _wait(self, seconds: float) -> list[Any]:
        if not self._expected:
            time.sleep(seconds)  # for a node to come
            return []
        pause = self._asked + PAUSE * len(self._expected) - time.monotonic()
        if pause > SHORTEST_PAUSE:
            time.sleep(pause)
        references = list(self._expected)
        ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        if not ready:
            ready, _ = ray.wait(references, num_returns=1, timeout=seconds)
        self._asked = time.monotonic()
        return list(ready)
