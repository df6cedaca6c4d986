"""What one look at a sweep shows: plain values, which `as_json` hands to the page by the names of their fields."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pydantic import TypeAdapter

from orchestrator.text import clean, masked
from orchestrator.watch.board import Axis, Board

State = Literal["absent", "removed", "unreadable", "running", "stopped", "ended"]
"""absent: no results yet. removed: they were there at an earlier look. unreadable: `Look.message` says why. running: a sweep
writes them. stopped: none does, and trials wait for one. ended: every trial has come to its end."""

Phase = Literal["preparing", "training", "evaluating"]
"""preparing: no epoch has ended. evaluating: all have."""


@dataclass(frozen=True, slots=True)
class SlotLook:
    """What a slot does."""

    slot: str
    host: str
    trial_id: str
    levels: tuple[str, ...]
    """The trial's label on each axis."""
    name: str
    """What tells it from the others of its cell: `seed 3`."""
    phase: Phase
    epoch: int
    """The last that has ended."""
    epochs: int | None
    since: datetime


@dataclass(frozen=True, slots=True)
class FailureLook:
    """A trial that broke, and why."""

    trial_id: str
    levels: tuple[str, ...]
    name: str
    status: str
    reason: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A trial's validation, epoch by epoch."""

    trial_id: str
    levels: tuple[str, ...]
    name: str
    """`seed 3`; of one that is shown beside those that grow, empty."""
    grows: bool
    values: tuple[float | None, ...]
    """Of `Board.measure` of its data set."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials that the latest grid names."""

    by_status: dict[str, int]
    planned: int
    done: int
    tuning: int
    """How many of them tune."""
    unplanned: int
    """Trials of earlier grids, which do not count."""


@dataclass(frozen=True, slots=True)
class Look:
    """A moment of a sweep."""

    sweep: str
    results: str
    at: datetime
    state: State
    message: str
    """What the state is in words: who sweeps here, or why there is nothing to see."""
    notes: tuple[str, ...] = ()
    """What should be known beside it."""
    counts: Counts | None = None
    eta_seconds: float | None = None
    slots: tuple[SlotLook, ...] = ()
    slots_left_out: int = 0
    failures: tuple[FailureLook, ...] = ()
    """The latest first."""
    axes: tuple[Axis, ...] = ()
    boards: tuple[Board, ...] = ()
    curves: tuple[Curve, ...] = ()


_JSON: Final = TypeAdapter(Look)


def as_json(look: Look) -> str:
    """One line. A number that is not finite is null; secrets are masked, and nothing in it changes how a text reads."""
    return clean(masked(_JSON.dump_json(look).decode()))
