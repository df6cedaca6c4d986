"""The trials that wait: by shape, the longest expected first, so that the last slot does not idle."""

import heapq
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.engine import Shape
from orchestrator.packing import Packing

if TYPE_CHECKING:
    from orchestrator.cell import Cell
    from orchestrator.tuning.values import Values


@dataclass(order=True, slots=True)
class Waiting:
    """A trial that waits. Small: a sweep may hold 100,000 of them."""

    expected: float
    """Expected work, negated: the heap gives the smallest first."""
    number: int
    """Order in the plan, which decides between equals."""
    trial_id: str = field(compare=False)
    seed: int = field(compare=False)
    cell: "Cell" = field(compare=False)
    tuning: int | None = field(compare=False, default=None)
    """Number of a tuning trial, which has its values when it is taken."""
    tuned: "Values | None" = field(compare=False, default=None)
    """The values that tuning has chosen for the cell."""
    alone: bool = field(compare=False, default=False)
    """Whether it ran out of memory beside others."""
    avoids: str = field(compare=False, default="")
    """The node where it failed last."""
    avoids_until: float = field(compare=False, default=0.0)
    """Monotonic time after which it runs there all the same, if no other node has taken it."""


class TrialQueue:
    """A heap for each shape."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._heaps: dict[Shape, list[Waiting]] = {}
        self._work: dict[Shape, float] = {}

    def add(self, waiting: Waiting) -> None:
        shape = self._packing.shape(waiting.cell, alone=waiting.alone)
        heapq.heappush(self._heaps.setdefault(shape, []), waiting)
        self._work[shape] = self._work.get(shape, 0.0) - waiting.expected

    def take(self, shape: Shape, node: str = "") -> Waiting | None:
        """The longest expected trial of this shape that does not avoid the node."""
        heap = self._heaps.get(shape, [])
        passed_over = []
        found = None
        while heap and found is None:
            waiting = heapq.heappop(heap)
            if node and waiting.avoids == node and time.monotonic() < waiting.avoids_until:
                passed_over.append(waiting)
            else:
                found = waiting
        for waiting in passed_over:
            heapq.heappush(heap, waiting)
        if found is not None:
            self._work[shape] += found.expected
        return found

    def reshape(self) -> None:
        """The packing has changed: every trial waits under its shape of now."""
        waiting = [trial for heap in self._heaps.values() for trial in heap]
        self._heaps.clear()
        self._work.clear()
        for trial in waiting:
            self.add(trial)

    def count(self, shape: Shape) -> int:
        return len(self._heaps.get(shape, ()))

    def shapes(self) -> list[Shape]:
        """Shapes of which a trial waits, the most expected work first."""
        waiting = [shape for shape, heap in self._heaps.items() if heap]
        return sorted(waiting, key=lambda shape: (-self._work[shape], shape))

    @property
    def expected(self) -> float:
        """Work of all trials that wait."""
        return sum(self._work.values())

    def __len__(self) -> int:
        return sum(len(heap) for heap in self._heaps.values())
