"""What a trial changed of its process. Imports nothing heavy: it travels to the driver."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class After(IntEnum):
    """What a change asks of whoever runs the next trial; the greatest wins."""

    PUT_BACK = 0
    """Nothing: it is as it was."""
    REPLACE = 1
    """Another process, where there can be one: there may be more that was not seen."""
    UNFIT = 2
    """No trial may run in this process any more: its figures would be others."""


@dataclass(frozen=True, slots=True)
class Change:
    """A part of the process's state that is not as it was."""

    what: str
    """With its verb: "changed the default dtype", "left a thread running"."""
    after: After = After.PUT_BACK


@dataclass(frozen=True, slots=True)
class SideEffects:
    """All that one trial changed."""

    changes: tuple[Change, ...]

    @property
    def after(self) -> After:
        return max((change.after for change in self.changes), default=After.PUT_BACK)

    def __str__(self) -> str:
        return "; ".join(dict.fromkeys(change.what for change in self.changes))

    def joined(self, other: "SideEffects") -> "SideEffects":
        """Join the side effects of two workers of one trial."""
        return SideEffects(tuple(dict.fromkeys(self.changes + other.changes)))


class Watch(Protocol):
    """A kind of state, as it is when this is made."""

    def begin(self) -> None:
        """A trial begins: what has come since the last one ended is not its doing."""
        return

    def settle(self) -> Iterator[Change]:
        """A trial has ended: what is not as it was, each put back where it can be."""
