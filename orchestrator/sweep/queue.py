"""The trials that wait: by shape, the longest expected first, so that the last slot does not idle."""

import heapq
import math
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Literal

from orchestrator.engine import Shape
from orchestrator.plan.cell import Cell
from orchestrator.plan.progress import Running
from orchestrator.sweep.goal import Goal

if TYPE_CHECKING:
    from orchestrator.plan.tuned import Values

# How much of a GPU each trial is given. Pure.

MARGIN: Final = 1.25
"""Beyond the allocator's peak: fragments, and what another optimizer or regularizer of the family adds."""
CONTEXT_BYTES: Final = 800 * 2**20
"""What a process takes of a device beside torch's allocator: CUDA's context and its libraries' work space."""
MAX_SHARING: Final = 8
"""Trials on one device at most: their kernels take turns, and each process has a CPU too."""

_Family = tuple[str, str, int, int, str]


class Packing:
    """Gives each cell the shape that its trials need of a slot."""

    def __init__(self, gpu_share: float | Literal["auto"] = 1.0) -> None:
        self._share = gpu_share
        self._measured: dict[_Family, float] = {}

    def shape(self, cell: Cell, *, alone: bool = False) -> Shape:
        """alone: it ran out of memory beside others. The workers of a worker group have whole devices in any case."""
        shape = cell.shape
        if shape.workers > 1:
            return shape
        if alone:
            return replace(shape, gpus=math.ceil(shape.gpus), alone=True)
        if self._share == "auto":
            return replace(shape, gpus=self._measured.get(_family(cell), 1.0)) if shape.gpus == 1 else shape
        return replace(shape, gpus=shape.gpus * self._share)

    def measured(self, cell: Cell, peak_bytes: int | None, device_bytes: int | None) -> bool:
        """A trial of the cell has ended. True where its family's shape is another from now on."""
        if self._share != "auto" or not peak_bytes or not device_bytes or cell.shape.workers > 1:
            return False
        family = _family(cell)
        fit = int(device_bytes / (peak_bytes * MARGIN + CONTEXT_BYTES))
        share = 1.0 / max(1, min(fit, MAX_SHARING))
        before = self._measured.get(family)
        if before is not None and share <= before:  # the greatest that was seen: it never shrinks
            return False
        self._measured[family] = share
        return share != (before or 1.0)


def _family(cell: Cell) -> _Family:
    protocol = cell.protocol
    return cell.dataset.label, cell.model.label, protocol.batch_size, protocol.accumulate, protocol.precision


SplitKey = tuple[bytes, bytes, int]
"""What decides a trial's test split: data set, `protocol.splits`, seed."""


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
    """Number of a tuning trial in its repetition, which has its values when it is taken."""
    repetition: int = field(compare=False, default=0)
    """Number of the cell's tuning (`Cell.tunings`) that it is part of, or whose choice it runs with."""
    tuned: "Values | None" = field(compare=False, default=None)
    """The values that tuning has chosen for the cell."""
    alone: bool = field(compare=False, default=False)
    """Whether it ran out of memory beside others."""
    avoids: str = field(compare=False, default="")
    """The node where it failed last."""
    avoids_until: float = field(compare=False, default=0.0)
    """Monotonic time after which it runs there all the same, if no other node has taken it."""

    @property
    def goal(self) -> Goal:
        """What its cell is selected by."""
        assert self.cell.data.task is not None, "what runs has data"
        return Goal.of(self.cell.protocol, self.cell.data.task)

    @property
    def split_key(self) -> SplitKey:
        return self.cell.data.digest or b"", self.cell.protocol.splits.digest(), self.seed


_Heaps = dict[bytes | None, list[Waiting]]
"""The trials of one shape by the stack that they fit into (`Cell.fusion_key`); None where they run alone."""


class TrialQueue:
    """Heaps for each shape."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._heaps: dict[Shape, _Heaps] = {}
        self._counts: Counter[Shape] = Counter()
        self._work: dict[Shape, float] = {}

    def add(self, waiting: Waiting) -> None:
        shape = self._packing.shape(waiting.cell, alone=waiting.alone)
        self._push(shape, waiting)
        self._work[shape] = self._work.get(shape, 0.0) - waiting.expected

    def take(self, shape: Shape, node: str = "") -> Waiting | None:
        """The longest expected trial of this shape that does not avoid the node."""
        return self._take(shape, self._heaps.get(shape, {}), node)

    def take_beside(self, other: Waiting, node: str = "") -> Waiting | None:
        """The same of those that fit into one stack with another that was taken."""
        shape, key = self._packing.shape(other.cell, alone=other.alone), other.cell.fusion_key
        heaps = self._heaps.get(shape, {})
        if key is None or key not in heaps:
            return None
        return self._take(shape, {key: heaps[key]}, node)

    def _take(self, shape: Shape, heaps: _Heaps, node: str) -> Waiting | None:
        """From the heaps of a shape, or some of them."""
        passed_over = []
        found = None
        while (
            heap := min(filter(None, heaps.values()), key=itemgetter(0), default=None)
        ) is not None and found is None:
            waiting = heapq.heappop(heap)
            self._counts[shape] -= 1
            if node and waiting.avoids == node and time.monotonic() < waiting.avoids_until:
                passed_over.append(waiting)
            else:
                found = waiting
        for waiting in passed_over:
            self._push(shape, waiting)
        if found is not None:
            self._work[shape] += found.expected
        return found

    def _push(self, shape: Shape, waiting: Waiting) -> None:
        heapq.heappush(self._heaps.setdefault(shape, {}).setdefault(waiting.cell.fusion_key, []), waiting)
        self._counts[shape] += 1

    def reshape(self) -> None:
        """The packing has changed: every trial waits under its shape of now."""
        waiting = [trial for heaps in self._heaps.values() for heap in heaps.values() for trial in heap]
        self._heaps.clear()
        self._counts.clear()
        self._work.clear()
        for trial in waiting:
            self.add(trial)

    def count(self, shape: Shape) -> int:
        return self._counts[shape]

    def shapes(self) -> list[Shape]:
        """Shapes of which a trial waits, the most expected work first."""
        waiting = [shape for shape, count in self._counts.items() if count]
        return sorted(waiting, key=lambda shape: (-self._work[shape], shape))

    @property
    def expected(self) -> float:
        """Work of all trials that wait."""
        return sum(self._work.values())

    def __len__(self) -> int:
        return self._counts.total()


# A trial in the hands of a slot.


@dataclass(slots=True)
class RunningTrial:
    """A trial that a slot holds."""

    waiting: Waiting
    label: str
    """For display."""
    attempt: int
    node: str = ""
    """Id of the slot's node; empty where it has several, or none is known."""
    epoch: int = 0
    score: float | None = None
    """What it is selected by, after that epoch."""
    begun: bool = False

    def shown(self) -> Running:
        """The trial as the display has it."""
        waiting = self.waiting
        return Running(waiting.trial_id, self.label, self.epoch, waiting.cell.protocol.epochs, self.score)
