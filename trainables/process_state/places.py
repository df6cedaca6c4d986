"""Where the process stands: its folder, its standard streams, and where it looks for modules."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from trainables.process_state.change import After, Change, Watch

_FIRST_KEPT: Final = 64
"""Copies of the standard streams are kept from this number on, where nobody closes them in passing."""
_STREAMS: Final = {1: "stdout", 2: "stderr"}


class WorkingDirectory(Watch):
    """Held open: its name may be another's by now."""

    def __init__(self) -> None:
        self._folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._identity = _identity(self._folder)

    def settle(self) -> Iterator[Change]:
        here = Path().stat()
        if (here.st_dev, here.st_ino) != self._identity:
            os.fchdir(self._folder)
            yield Change("changed the working directory")


class Umask(Watch):
    """The umask, which cannot be read without being set: so it is set to what it was."""

    def __init__(self) -> None:
        self._before = os.umask(0o077)
        os.umask(self._before)

    def settle(self) -> Iterator[Change]:
        if os.umask(self._before) != self._before:
            yield Change("changed the umask")


class ModulePath(Watch):
    """Places where modules are looked for. What is added behind them hides nothing, and code that added it needs it."""

    def __init__(self) -> None:
        self._before = list(sys.path)

    def settle(self) -> Iterator[Change]:
        if sys.path[: len(self._before)] != self._before:
            sys.path[:] = self._before + [place for place in sys.path if place not in self._before]
            yield Change("changed where modules are looked for")


class StandardStreams(Watch):
    """What the first three file descriptors are, and Python's two streams over them."""

    def __init__(self) -> None:
        self._kept = {number: kept for number in (0, 1, 2) if (kept := _copy(number)) is not None}
        self._identities = {number: _identity(kept) for number, kept in self._kept.items()}

    def settle(self) -> Iterator[Change]:
        for number, kept in self._kept.items():
            if _identity(number) != self._identities[number]:
                os.dup2(kept, number)
                yield Change(f"closed or replaced the file descriptor {number}", After.REPLACE)
        for number, name in _STREAMS.items():
            if number in self._kept and _is_closed(name):
                _reopen(number, name)
                yield Change(f"closed sys.{name}", After.REPLACE)


def _copy(number: int) -> int | None:
    with suppress(OSError):  # a process may have been started without it
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FIRST_KEPT)
    return None


def _identity(descriptor: int) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.fstat(descriptor)
        return found.st_dev, found.st_ino
    return None


def _is_closed(name: str) -> bool:
    return any(getattr(stream, "closed", False) for stream in (getattr(sys, name), getattr(sys, f"__{name}__")))


def _reopen(number: int, name: str) -> None:
    stream = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115 - it stays open
    for each in (name, f"__{name}__"):
        if getattr(getattr(sys, each), "closed", False):
            setattr(sys, each, stream)
