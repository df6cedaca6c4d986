"""The trials that wait: by shape, the longest expected first, so that the last slot does not idle."""

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.engine import Shape

if TYPE_CHECKING:
    from orchestrator.cell import Cell


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


class TrialQueue:
    """A heap for each shape."""

    def __init__(self) -> None:
        self._heaps: dict[Shape, list[Waiting]] = {}
        self._work: dict[Shape, float] = {}

    def add(self, shape: Shape, waiting: Waiting) -> None:
        heapq.heappush(self._heaps.setdefault(shape, []), waiting)
        self._work[shape] = self._work.get(shape, 0.0) - waiting.expected

    def take(self, shape: Shape) -> Waiting | None:
        heap = self._heaps.get(shape)
        if not heap:
            return None
        waiting = heapq.heappop(heap)
        self._work[shape] += waiting.expected
        return waiting

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
