"""The driver's view of slots: what each has been assigned, and how to talk to it."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from orchestrator.engine import AttemptFailed, AttemptFinished, Event, Shape, Started, Work
from trainables.context import running_time
from trainables.spec import TrialTask


@dataclass(slots=True)
class Assignment:
    """A task that a slot holds."""

    trial_task: TrialTask
    handed: float = field(default_factory=running_time.seconds)
    started: float | None = None
    """When, in the driver's running time, the slot said that it began."""


WAIT: Final = 1.0
"""Seconds that an exchange waits in the slot for the first event."""


class SlotClient(ABC):
    """The connection to a slot's process or worker group, by an actor that has its tasks and its events.

    References are Ray's; only arrivals.py waits for them.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def connect(self) -> Any:
        """A reference to an `ExchangeResult`, ready as soon as the slot can be handed tasks."""
        return self._actor.exchange.remote([], 0.0)

    def exchange(self, trial_tasks: Sequence[TrialTask]) -> Any:
        """A reference to an `ExchangeResult`, ready when there is an event or after a second."""
        return self._actor.exchange.remote(trial_tasks, WAIT)

    def submit(self, trial_tasks: Sequence[TrialTask]) -> None:
        """Hand over tasks while an exchange is under way."""
        self._actor.submit.remote(trial_tasks)

    def stop(self, trial_id: str) -> None:
        """Tell a trial to stop at the end of its epoch."""
        self._actor.stop.remote(trial_id)

    def withdraw(self) -> Any:
        """A reference to the ids of the trials that were handed over, had not been begun, and now never will be."""
        return self._actor.withdraw.remote()

    @abstractmethod
    def failure(self) -> str | None:
        """Return why the slot cannot be used any more, where that shows otherwise than by a failed exchange."""

    @abstractmethod
    def close(self, *, graceful: bool) -> None:
        """Give the slot's resources back; graceful lets its processes end by themselves."""


@dataclass(slots=True)
class Slot:
    """A slot: its client, its assignments, and how long its trials take."""

    name: str
    shape: Shape
    client: SlotClient
    nodes: tuple[str, ...]
    """Ids of the nodes of its workers."""
    opened: float = field(default_factory=running_time.seconds)
    ready: bool = False
    spoken: bool = False
    """Whether it has reported on any trial."""
    heard: float = 0.0
    """When, in the driver's running time, the latest event came."""
    assignments: "OrderedDict[str, Assignment]" = field(default_factory=OrderedDict)
    reference: Any = None
    """The exchange under way."""
    quick: bool = False
    """Whether its last trial was so short that the next should already be waiting in the slot."""
    withdrawal: Any = None
    """A reference to the ids of tasks that are being taken back."""
    turned: Callable[["Slot"], None] | None = None
    """Is told when it has become idle, or has been given something to do: whoever counts slots need not look at them."""

    @property
    def node(self) -> str:
        """The node that an outcome speaks for; none where there are several."""
        return self.nodes[0] if len(set(self.nodes)) == 1 else ""

    @property
    def came_up(self) -> bool:
        """Whether its workers have ever been there: a worker group's mailbox is ready long before its ranks are."""
        return self.spoken if self.shape.workers > 1 else self.ready

    def silent_for(self) -> float:
        """Seconds that it has been coming up; none once it has begun with a trial, or has come up and has none."""
        coming_up = not self.spoken and (not self.ready or bool(self.assignments))
        return running_time.seconds() - self.opened if coming_up else 0.0

    @property
    def idle(self) -> bool:
        return not self.assignments

    def assign(self, trial_tasks: Sequence[TrialTask]) -> None:
        was_idle = self.idle
        for trial_task in trial_tasks:
            self.assignments[trial_task.trial_id] = Assignment(trial_task)
        if self.turned is not None and was_idle and trial_tasks:
            self.turned(self)

    def drop(self, trial_id: str) -> Assignment:
        """It does not hold the trial any more."""
        dropped = self.assignments.pop(trial_id)
        if self.turned is not None and self.idle:
            self.turned(self)
        return dropped

    def note(self, event: Event, quick_seconds: float) -> bool:
        """Take an event into account. False when it is not of a trial assigned here (it comes late, and is dropped)."""
        assignment = self.assignments.get(event.trial_id)
        if assignment is None or assignment.trial_task.attempt != event.attempt:
            return False
        self.spoken = True
        self.heard = running_time.seconds()
        if isinstance(event, Started):
            assignment.started = self.heard
        elif isinstance(event, AttemptFinished | AttemptFailed):
            self.quick = assignment.started is not None and self.heard - assignment.started < quick_seconds
            self.drop(event.trial_id)
        return True

    def keeps_waiting(self, seconds: float) -> bool:
        """Whether tasks wait behind a trial that has been running for longer than this."""
        since = [assignment.started for assignment in self.assignments.values() if assignment.started is not None]
        return bool(since) and len(self.assignments) > len(since) and running_time.seconds() - since[-1] > seconds

    def overdue(self, share: float, least: float) -> tuple[Assignment, float] | None:
        """The running trial, where it has outlived its time limit by more than a share of it, and `least` seconds.

        With it the seconds since it began. One that holds the interpreter's lock from its first moment keeps its process
        from saying that it has begun: it counts from when nothing stood in its way.
        """
        for assignment in running(self):
            limit = assignment.trial_task.spec.protocol.trial_timeout
            if limit is None:
                continue
            began = max(assignment.handed, self.heard) if assignment.started is None else assignment.started
            since = running_time.seconds() - began
            if since > limit + max(share * limit, least):
                return assignment, since
        return None


def running(slot: Slot) -> list[Assignment]:
    """Assignments whose trial has begun; where none has said so, the oldest may have, if there was anybody to begin."""
    begun = [assignment for assignment in slot.assignments.values() if assignment.started is not None]
    return begun or list(slot.assignments.values())[: int(slot.came_up)]


def failed_at(assignment: Assignment, failure: Any, at: datetime) -> AttemptFailed:
    return AttemptFailed(assignment.trial_task.trial_id, assignment.trial_task.attempt, failure, at, "")


# Which tasks a slot is handed, and how many ahead.

AHEAD: Final = 8
"""Tasks that a slot of quick trials holds, the running one included."""


class Prefetcher:
    """Hands out trials: one at a time, or a few ahead where they are quick and enough of them wait."""

    def __init__(self) -> None:
        self._careful: set[str] = set()
        """Trials of which one ended its slot, nobody knows which: each of them has a slot to itself from then on."""

    def next_tasks(self, slot: Slot, work: Work, peers: int) -> list[TrialTask]:
        """New tasks for a slot, which holds them from now on. peers: slots of its shape, itself included."""
        if (
            not slot.ready
            or not work.bad_nodes().isdisjoint(slot.nodes)
            or not self._careful.isdisjoint(slot.assignments)
        ):
            return []
        ahead = min(AHEAD, 1 + work.waiting(slot.shape) // peers) if slot.quick else 1
        trial_tasks: list[TrialTask] = []
        while len(slot.assignments) < ahead and (trial_task := work.take(slot.shape, slot.node)) is not None:
            careful = trial_task.trial_id in self._careful
            if careful and slot.assignments:
                work.requeue(trial_task)
                break
            beside = self._beside(trial_task, slot, work) if trial_task.fused and not careful else ()
            slot.assign([trial_task, *beside])
            trial_tasks.append(replace(trial_task, beside=beside) if beside else trial_task)
            if careful:
                break
        return trial_tasks

    def _beside(self, trial_task: TrialTask, slot: Slot, work: Work) -> tuple[TrialTask, ...]:
        """What trains in one stack with it."""
        beside = work.take_beside(trial_task, slot.node)
        for careful in (each for each in beside if each.trial_id in self._careful):
            work.requeue(careful)
        return tuple(each for each in beside if each.trial_id not in self._careful)

    def suspect(self, slot: Slot) -> bool:
        """Whether it is uncertain which of a slot's trials ended it.

        The last words of one may not have come through before the next one took the process with it, or kept it from
        speaking.
        """
        uncertain = len(slot.assignments) > 1
        if uncertain:
            self._careful.update(slot.assignments)
        return uncertain
