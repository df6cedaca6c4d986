"""Where trials are executed: the interface between the sweep and the places that run them.

The sweep hands an engine its `Work`; the engine takes orders from it and tells it what happens. Data flows one way: an
engine knows neither the journal nor the plan.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from trainables.context import Context
from trainables.order import TrialOrder
from trainables.records import EpochRow, TrialResult

RunTrial = Callable[[TrialOrder, Context], TrialResult]
"""What a slot executes. `trainables.trial.run_trial`, unless a benchmark puts a null trial in its place."""


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What one trial needs: a slot is cut to this."""

    workers: int
    cpus: int
    """Of each worker; also its number of torch threads."""
    gpus: float
    """Of each worker; below 1 is a share."""


class FailureKind(StrEnum):
    """Why an attempt did not come to its end."""

    ERROR = "error"
    DATA = "data"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    POISONED = "poisoned"
    """A CUDA error: the process cannot be used any more."""
    WORKER_LOST = "worker_lost"
    """The process, or the machine under it, went away."""


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


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An attempt finished an epoch."""

    trial_id: str
    attempt: int
    row: EpochRow


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt came to its end: completed or diverged."""

    trial_id: str
    attempt: int
    result: TrialResult
    at: datetime
    log: str
    """What the trial printed."""


@dataclass(frozen=True, slots=True)
class Broke:
    """An attempt did not come to its end."""

    trial_id: str
    attempt: int
    failure: Failure
    at: datetime
    log: str


Event = Started | EpochDone | Ended | Broke


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a slot answers when it is handed orders."""

    events: list[Event]
    own_bytes: int
    """Resident memory that only the slot's process holds."""
    usable: bool = True
    """False when the slot has to be replaced before it is handed anything else."""


class Work(Protocol):
    """What an engine is given to do. Implemented by the sweep; called from the engine's own thread only."""

    def shapes(self) -> Sequence[Shape]:
        """The shapes of the trials that wait, the one with the most expected work first."""

    def take(self, shape: Shape) -> TrialOrder | None:
        """Lease the longest expected trial of this shape; None when none waits."""

    def waiting(self, shape: Shape) -> int:
        """How many trials of this shape wait."""

    def give_back(self, order: TrialOrder) -> None:
        """A leased trial was not begun, and its slot is gone: it waits again."""

    def tell(self, event: Event) -> None:
        """Something happened to a leased trial. A retry puts it back, so it may be taken again."""

    def beat(self) -> None:
        """Called a few times a second, come what may. Raises Interrupted when the sweep has to stop."""


class Engine(Protocol):
    """A place that executes trials."""

    def run(self, work: Work) -> None:
        """Execute until nothing waits and nothing runs. Raises InfrastructureLost, and whatever `work.beat` raises."""

    def close(self) -> None:
        """Give everything back, within a few seconds, whatever happened."""
