"""From a failure to a decision. Pure: the sweep carries it out."""

from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.engine import Failure, FailureKind

GivenUp = Literal["failed", "timed_out", "out_of_memory", "cancelled"]

LOST_WORKERS: Final = 3
"""Attempts that may end with a lost or poisoned process before the trial itself is taken for the cause."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a trial whose attempt broke."""

    status: GivenUp | None
    """The trial's status, or None: it waits to be tried again."""
    reason: str

    @property
    def again(self) -> bool:
        return self.status is None


def decide(failure: Failure, attempts: int) -> Decision:
    """What to do after `failure` ended the `attempts`-th attempt of this sweep (counting from 1).

    An exception, broken data and a time-out would come again with the same configuration, so they are final. A process
    that went away says nothing of the trial until it has happened to it LOST_WORKERS times.
    """
    match failure.kind:
        case FailureKind.ERROR | FailureKind.DATA:
            return Decision("failed", failure.message)
        case FailureKind.TIMED_OUT:
            return Decision("timed_out", failure.message)
        case FailureKind.CANCELLED:
            return Decision("cancelled", failure.message)
        case FailureKind.OUT_OF_MEMORY:
            return Decision("out_of_memory", failure.message)
        case FailureKind.POISONED | FailureKind.WORKER_LOST:
            if attempts < LOST_WORKERS:
                return Decision(None, f"trying again ({attempts + 1} of {LOST_WORKERS}), since {failure.message}")
            return Decision("failed", f"gave up after {attempts} attempts: {failure.message}")
