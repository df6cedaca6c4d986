"""Where trials are executed: the interface between the sweep and the places that run them.

The sweep hands an engine its `Work`; the engine takes tasks from it and tells it what happens. Data flows one way: an
engine knows neither the journal nor the plan.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from trainables.context import Context
from trainables.process_state.change import After, SideEffects
from trainables.records import EpochRow, TrialResult
from trainables.spec import TrialTask

RunTrial = Callable[[TrialTask, Context], TrialResult]
"""What a slot executes. `trainables.training.trial.run_trial`, unless a benchmark puts a null trial in its place."""


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What one trial needs: a slot is cut to this."""

    workers: int
    cpus: int
    """Of each worker; also its number of torch threads."""
    gpus: float
    """Of each worker; below 1 is a share."""
    alone: bool = False
    """Whether nothing else may use the devices that it works on, or the node where it has none."""


class FailureKind(StrEnum):
    """Why an attempt did not come to its end."""

    ERROR = "error"
    DATA = "data"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    UNSUPPORTED = "unsupported"
    """Nothing can be made of the net that it is a variant of."""
    POISONED = "poisoned"
    """A CUDA error: the process cannot be used any more."""
    WORKER_LOST = "worker_lost"
    """The process went away."""
    NODE_LOST = "node_lost"
    """The machine went away."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What ended an attempt."""

    kind: FailureKind
    message: str
    """One line."""
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A slot began with an attempt."""

    trial_id: str
    attempt: int
    slot: str
    host: str
    pid: int
    at: datetime
    resumed_epoch: int = 0
    """The epoch of the checkpoint that it goes on from; 0 is from the beginning."""


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An attempt finished an epoch."""

    trial_id: str
    attempt: int
    row: EpochRow


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """An attempt came to its end: completed or diverged."""

    trial_id: str
    attempt: int
    result: TrialResult
    at: datetime
    log: str
    """What the trial printed."""
    side_effects: SideEffects | None = None
    """What it changed that all trials of its process share."""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt did not come to its end."""

    trial_id: str
    attempt: int
    failure: Failure
    at: datetime
    log: str
    side_effects: SideEffects | None = None


Event = Started | EpochDone | AttemptFinished | AttemptFailed


def spoils(event: Event) -> bool:
    """Whether the process that tells it has to be replaced before another trial runs there."""
    if not isinstance(event, AttemptFinished | AttemptFailed):
        return False
    changed = event.side_effects is not None and event.side_effects.after >= After.REPLACE
    return changed or (isinstance(event, AttemptFailed) and event.failure.kind is FailureKind.POISONED)


@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """What a slot answers when it is handed tasks."""

    events: list[Event]
    own_bytes: int
    """Resident memory that only the slot's process holds."""
    usable: bool = True
    """False when the slot has to be replaced before it is handed anything else."""
    failure: str | None = None
    """Why nothing of what it holds will ever come to an end."""


class Work(Protocol):
    """What an engine is given to do. Implemented by the sweep; called from the engine's own thread only."""

    def shapes(self) -> Sequence[Shape]:
        """The shapes of the trials that wait, the one with the most expected work first."""

    def take(self, shape: Shape, node: str = "") -> TrialTask | None:
        """Assign the longest expected trial of this shape to a slot on `node`; None when none waits for it.

        node: its id, as in `clusters.nodes.Node`; empty where a slot has several.
        """

    def take_beside(self, trial_task: TrialTask, node: str = "") -> list[TrialTask]:
        """Assign what fits into one stack with an assigned trial (`protocol.fuse`) to its slot too; often none."""

    def bad_nodes(self) -> frozenset[str]:
        """Nodes that must not be used any more: too many trials failed there."""

    def reject(self, shape: Shape, reason: str) -> None:
        """Skip the trials that wait for a slot of this shape: none can ever be opened."""

    def note(self, text: str) -> None:
        """Tell the user what happened to the cluster."""

    def in_doubt(self, trial_id: str) -> bool:
        """Whether a process that ran it and the sweep in one has died under it: it may do so again."""

    def keep(self) -> None:
        """Make what has been reported outlive this process."""

    def waiting(self, shape: Shape) -> int:
        """Return how many trials of this shape wait."""

    def has_deferred(self, shape: Shape) -> bool:
        """Whether trials of this shape will wait once some that run have ended: a slot is worth keeping for them."""

    def requeue(self, trial_task: TrialTask) -> None:
        """An assigned trial was not begun, and its slot is gone: it waits again."""

    def on_event(self, event: Event) -> bool:
        """Take in what happened to an assigned trial. A retry puts it back, so it may be taken again.

        Whether the trial is to stop at the end of its epoch: it has done its part.
        """

    def tick(self) -> None:
        """Called a few times a second, come what may. Raises Interrupted when the sweep has to stop."""


class Engine(Protocol):
    """A place that executes trials."""

    def run(self, work: Work) -> None:
        """Execute until nothing waits and nothing runs. Raises InfrastructureLost, and whatever `work.tick` raises."""

    def close(self) -> None:
        """Give everything back, within a few seconds, whatever happened."""
        return
