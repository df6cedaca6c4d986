"""Slots and nodes that are only played: what is left of a sweep through Ray is the driver, its loop and its journal.

A slot's actor and Ray's `wait` and `get` are replaced; everything else is the real thing. Time is the real clock: a trial
of a second ends a second after its slot has begun with it.
"""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from types import SimpleNamespace
from typing import Any, Final, ParamSpec, TypeVar
from unittest.mock import patch

import ray

from benchmarks.null_trial import null_trial
from clusters.node_watch import Usage, Workers
from clusters.nodes import Node
from clusters.spec import ClusterSpec
from orchestrator.engine import AttemptFinished, EpochDone, Event, ExchangeResult, RunTrial, Started, Work
from orchestrator.engine import pool as pool_module
from orchestrator.engine.placement import Placement
from orchestrator.engine.ray import RayEngine
from orchestrator.engine.slots import WAIT, SlotClient
from trainables.context import SingleContext
from trainables.records import EpochRow, TrialResult
from trainables.spec import TrialTask

_MEMORY: Final = 64.0 * 2**30
"""Bytes of a node."""
P, R = ParamSpec("P"), TypeVar("R")


@dataclass(eq=False, slots=True)
class Reference:
    """In place of Ray's: an answer that is there from a moment on."""

    due: float
    """Monotonic time."""
    answer: Callable[[], Any]
    order: int = field(default_factory=itertools.count().__next__)

    def __lt__(self, other: "Reference") -> bool:
        return (self.due, self.order) < (other.due, other.order)


class Simulation:
    """All slots of a sweep, and what playing them costs, which is not the driver's."""

    def __init__(self, seconds: float) -> None:
        """seconds: what a trial takes."""
        self.seconds = seconds
        self.processor = 0.0
        """Processor seconds of the driver's thread that were spent on playing slots."""
        self.waits = self.waited_for = self.exchanges = 0
        """Calls of `ray.wait`, references that they were given, exchanges that ended."""
        self._coming: list[Reference] = []
        self._ready: dict[Reference, None] = {}
        self.told: tuple[EpochRow, TrialResult] | None = None
        """Of every trial: made by the first of them."""

    def told_of(self, trial_task: TrialTask) -> tuple[EpochRow, TrialResult]:
        if self.told is None:
            rows: list[EpochRow] = []
            device: Any = SimpleNamespace(type="cpu")
            result = null_trial(trial_task, SingleContext(device, lambda row: bool(rows.append(row))))
            self.told = rows[0], result
        return self.told

    def expect(self, reference: Reference) -> Reference:
        heapq.heappush(self._coming, reference)
        return reference

    def hasten(self, reference: Reference, due: float) -> None:
        """It is there earlier than was thought."""
        if due < reference.due:
            reference.due = due
            heapq.heapify(self._coming)

    def forget(self, reference: Reference | None) -> None:
        """Nobody waits for it any more: its slot is closed."""
        if reference is not None:
            reference.due = -1.0
            self._ready.pop(reference, None)

    def wait(
        self, references: Sequence[Reference], *, num_returns: int = 1, timeout: float | None = None
    ) -> tuple[list[Reference], list[Reference]]:
        """As Ray's; of the answer the driver uses the first part alone."""
        began = time.thread_time()
        self.waits += 1
        self.waited_for += len(references)
        ends = time.monotonic() + (timeout or 0.0)
        while not (ready := self._now_ready(references)) and (left := ends - time.monotonic()) > 0:
            next_due = self._coming[0].due if self._coming else ends
            time.sleep(max(0.0, min(left, next_due - time.monotonic())))
        self.processor += time.thread_time() - began
        return ready[:num_returns], []

    def _now_ready(self, references: Sequence[Reference]) -> list[Reference]:
        now = time.monotonic()
        while self._coming and self._coming[0].due <= now:
            reference = heapq.heappop(self._coming)
            if reference.due >= 0:
                self._ready[reference] = None
        asked = set(references)
        return [reference for reference in self._ready if reference in asked]

    def get(self, reference: Any, *, timeout: float | None = None) -> Any:
        if not isinstance(reference, Reference):
            return reference
        began = time.thread_time()
        self._ready.pop(reference, None)
        answer = reference.answer()
        self.exchanges += isinstance(answer, ExchangeResult)
        self.processor += time.thread_time() - began
        return answer


def _played(method: Callable[P, R]) -> Callable[P, R]:
    """What it takes is not the driver's."""

    @wraps(method)
    def timed(*args: P.args, **named: P.kwargs) -> R:
        slot = args[0]
        assert isinstance(slot, SimulatedSlot)
        began = time.thread_time()
        try:
            return method(*args, **named)
        finally:
            slot.simulation.processor += time.thread_time() - began

    return timed


class SimulatedSlot(SlotClient):
    """A slot without a process: tells of each trial at its time."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        super().__init__(None)
        self.simulation, self._name = simulation, name
        self._tasks: deque[tuple[float, TrialTask]] = deque()
        """Each with the time at which it begins."""
        self._events: deque[tuple[float, Event]] = deque()
        self._free = 0.0
        """When the last of them has ended."""
        self._under_way: Reference | None = None

    @_played
    def connect(self) -> Reference:
        return self._answer(time.monotonic())

    @_played
    def exchange(self, trial_tasks: Sequence[TrialTask]) -> Reference:
        self._take(trial_tasks)
        now = time.monotonic()
        return self._answer(min(max(now, self._events[0][0]) if self._events else now + WAIT, now + WAIT))

    @_played
    def submit(self, trial_tasks: Sequence[TrialTask]) -> None:
        self._take(trial_tasks)
        if self._events and self._under_way is not None:
            self.simulation.hasten(self._under_way, self._events[0][0])

    @_played
    def withdraw(self) -> Reference:
        now = time.monotonic()
        back = []
        while self._tasks and self._tasks[-1][0] > now:
            self._free, trial_task = self._tasks.pop()
            back.append(trial_task.trial_id)
        self._events = deque(told for told in self._events if told[1].trial_id not in back)
        return self.simulation.expect(Reference(now, lambda: back))

    def failure(self) -> str | None:
        return None

    def close(self, *, graceful: bool) -> None:
        self.simulation.forget(self._under_way)

    def _take(self, trial_tasks: Sequence[TrialTask]) -> None:
        for trial_task in trial_tasks:
            row, result = self.simulation.told_of(trial_task)
            begins = max(time.monotonic(), self._free)
            self._free = ends = begins + self.simulation.seconds
            self._tasks.append((begins, trial_task))
            trial_id, attempt, at = trial_task.trial_id, trial_task.attempt, datetime.now(UTC)
            self._events.append((begins, Started(trial_id, attempt, self._name, "host", 1, at)))
            self._events.append((ends, EpochDone(trial_id, attempt, row)))
            self._events.append((ends, AttemptFinished(trial_id, attempt, result, at, "")))

    def _answer(self, due: float) -> Reference:
        self._under_way = Reference(due, self._told)
        return self.simulation.expect(self._under_way)

    def _told(self) -> ExchangeResult:
        now, events = time.monotonic(), []
        while self._events and self._events[0][0] <= now:
            events.append(self._events.popleft()[1])
        while self._tasks and self._tasks[0][0] + self.simulation.seconds <= now:
            self._tasks.popleft()
        return ExchangeResult(events, own_bytes=2**20)


class SimulatedCluster:
    """Nodes that are there and stay."""

    def __init__(self, slots: int, nodes: int) -> None:
        """slots: of one CPU each, as many on each node as on any other, or one more."""
        cpus = [slots // nodes + (number < slots % nodes) for number in range(nodes)]
        self.nodes = tuple(Node(f"node-{number}", "host", cpus[number], 0, _MEMORY) for number in range(nodes))

    def usage(self) -> Usage | None:
        return None

    def want(self, workers: Workers) -> None:
        return

    def check(self) -> None:
        return


@dataclass(slots=True)
class Measured:
    """What a run of the loop took."""

    wall: float = 0.0
    processor: float = 0.0
    """Of the driver's thread, playing the slots apart."""


@contextmanager
def simulated(simulation: Simulation, slots: int, nodes: int, measured: Measured) -> Iterator[None]:
    """Sweeps through Ray run on such slots instead, and say what their loop took."""

    @contextmanager
    def engine(spec: ClusterSpec, run_trial: RunTrial, work: Work) -> Iterator["_MeasuredEngine"]:
        made = _MeasuredEngine(spec, run_trial)
        cluster: Any = SimulatedCluster(slots, nodes)
        made._cluster = cluster
        made._pool.update(cluster.nodes, ())
        made.simulation, made.measured = simulation, measured
        yield made
        made._pool.close_all()

    def slot(name: str, placement: Placement, run_trial: RunTrial) -> SimulatedSlot:
        return SimulatedSlot(simulation, name)

    with (
        patch.object(pool_module, "SlotProcessClient", slot),
        patch.object(ray, "wait", simulation.wait),
        patch.object(ray, "get", simulation.get),
        patch("orchestrator.sweep.run.ray_engine", engine),
    ):
        yield


class _MeasuredEngine(RayEngine):
    """The real loop, timed."""

    simulation: Simulation
    measured: Measured

    def run(self, work: Work) -> None:
        wall, own = time.monotonic(), time.thread_time() - self.simulation.processor
        super().run(work)
        self.measured.wall += time.monotonic() - wall
        self.measured.processor += time.thread_time() - self.simulation.processor - own
