"""What a trial changed of its process, and what can be read and set. Imports nothing heavy: it travels to the driver."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, Protocol, TypeVar


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


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """A value that all trials of a process share."""

    name: str
    """As it stands after "changed"."""
    read: Callable[[], T]
    write: Callable[[T], object]


class Settings(Watch):
    """Values as they are when this is made."""

    def __init__(self, settings: tuple[Setting[Any], ...]) -> None:
        self._before = [(setting, setting.read(), setting.read) for setting in settings]

    def settle(self) -> Iterator[Change]:
        """Put back what is another now."""
        for setting, before, read in self._before:
            if _read(read) != before:
                yield Change(f"changed {setting.name}", _put_back(setting, before))


def _put_back(setting: Setting[T], before: T) -> After:
    try:
        setting.write(before)
    except Exception:  # noqa: BLE001 - whether it is as it was is what is looked at
        return After.UNFIT
    return After.PUT_BACK if _read(setting.read) == before else After.UNFIT


def _read(read: Callable[[], object]) -> object:
    """Nothing equals what cannot be read."""
    try:
        return read()
    except Exception:  # noqa: BLE001 - what a trial has changed may raise anything
        return object()
