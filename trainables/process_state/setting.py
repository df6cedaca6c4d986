"""What can be read and set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from trainables.process_state.change import After, Change, Watch

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
