"""What a sweep tells of itself while it runs: to a terminal, to a log, or to nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Running:
    """A trial that a slot executes."""

    trial_id: str
    label: str
    epoch: int
    """The last that has ended; 0 while the first is under way, or the data is made ready."""
    epochs: int
    score: float | None = None
    """What trials are selected by, on validation after that epoch."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where the sweep stands."""

    counts: Mapping[str, int]
    """Planned trials by status."""
    total: int
    """Planned trials."""
    elapsed: float
    """Seconds since the first trial could start."""
    remaining: float | None
    """Seconds that are expected to be left; None before the first trial has finished."""
    running: tuple[Running, ...]
    best: str | None
    """The best trial so far, in words."""


class Progress(Protocol):
    """Receives what happens in a sweep, for whoever shows it; what a class does not take in is dropped."""

    def note(self, text: str) -> None:
        """A step of the sweep, or something that the user should know."""
        return

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        """A trial has come to a status; `detail` is its headline figure or its reason.

        The snapshot names no running trial: there may be thousands, and each of them ends.
        """
        return

    def update(self, snapshot: Snapshot) -> None:
        """A few times a second."""
        return


class SilentProgress(Progress):
    """Drops everything that it receives."""
