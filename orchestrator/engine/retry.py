"""From a failure to a decision. Pure: the sweep carries it out."""

from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.engine import Failure, FailureKind

GivenUp = Literal["failed", "timed_out", "out_of_memory", "cancelled"]

LOST_WORKERS: Final = 3
"""Attempts that may end with a lost or poisoned process before the trial itself is taken for the cause."""
LOST_NODES: Final = 5
"""The same for nodes, which go away for reasons of their own; a trial may still be one of them."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a trial whose attempt broke."""

    status: GivenUp | None
    """The trial's status, or None: it waits to be tried again."""
    reason: str
    alone: bool = False
    """Whether it is tried again with its device, or its node, to itself."""

    @property
    def again(self) -> bool:
        return self.status is None


def decide(failure: Failure, times: int) -> Decision:
    """What to do after `failure`, the `times`-th of its kind that ended an attempt of this trial in this sweep.

    An exception, broken data and a time-out would come again with the same configuration, so they are final. A process
    that went away says nothing of the trial until it has happened to it LOST_WORKERS times. What ran out of memory may
    have done so for its neighbours' sake: it is tried once more without them. Its batch is never changed.
    """
    match failure.kind:
        case FailureKind.ERROR | FailureKind.DATA:
            return Decision("failed", failure.message)
        case FailureKind.TIMED_OUT:
            return Decision("timed_out", failure.message)
        case FailureKind.CANCELLED:
            return Decision("cancelled", failure.message)
        case FailureKind.OUT_OF_MEMORY:
            if times == 1:
                return Decision(None, f"trying again, alone on its device, since {failure.message}", alone=True)
            return Decision("out_of_memory", f"also alone on its device: {failure.message}")
        case FailureKind.POISONED | FailureKind.WORKER_LOST:
            return _again(failure, times, LOST_WORKERS)
        case FailureKind.NODE_LOST:
            return _again(failure, times, LOST_NODES)


def _again(failure: Failure, times: int, most: int) -> Decision:
    if times < most:
        return Decision(None, f"trying again ({times + 1} of {most}), since {failure.message}")
    return Decision("failed", f"gave up after {times} attempts: {failure.message}")
