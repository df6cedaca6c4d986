"""Notices that the code of trials is edited while a sweep runs.

A slot keeps the code that it started with, and one that starts later has the new one: the sweep cannot keep the rows of
both apart, so its user is told.
"""

import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from trainables.component import Component

PERIOD: Final = 5.0
"""Seconds between two looks."""
_Stamp = tuple[int, int, int]
"""Inode, size and time of change: a file with the same has not been written since."""


class SourceWatch:
    """Watches the packages that hold the components which are loaded, plug-ins among them."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._files = list(_files())
        self._stamps = {file: _stamp(file) for file in self._files}
        self._digests = {file: _digest(file) for file in self._files}
        self._looked = time.monotonic()
        self._warned = False

    def look(self) -> None:
        """Tell of the first file that is not what it was, once. May be called at any rate."""
        now = time.monotonic()
        if self._warned or now - self._looked < PERIOD:
            return
        self._looked = now
        edited = next(filter(self._is_edited, self._files), None)
        if edited is not None:
            self._warned = True
            self._note(
                f"warning: {edited} was edited while this sweep runs. Running slots keep the old code; those that start from"
                " now on have the new code, and the tables mix rows of both"
            )

    def _is_edited(self, file: Path) -> bool:
        stamp = _stamp(file)
        if stamp == self._stamps[file]:
            return False
        self._stamps[file] = stamp  # a checkout writes files that stay as they were
        return _digest(file) != self._digests[file]


def _files() -> Iterator[Path]:
    packages = {component.__module__.partition(".")[0] for component in _loaded(Component)}
    for package in sorted(packages):
        spec = find_spec(package)
        if spec is None or spec.origin is None or not spec.has_location:  # typed into an interpreter
            continue
        origin = Path(spec.origin)
        yield from sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]


def _loaded(component: type[Component]) -> Iterator[type[Component]]:
    for inner in component.__subclasses__():
        yield inner
        yield from _loaded(inner)


def _stamp(file: Path) -> _Stamp | None:
    """Return what changes when a file is written; None where it is gone."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _digest(file: Path) -> bytes | None:
    try:
        return blake2b(file.read_bytes()).digest()
    except OSError:
        return None
