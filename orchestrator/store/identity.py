"""Whether a path still leads to the file or directory that a sweep has open, and where that is if it does not.

A directory that is renamed, mounted over, or whose link is made to lead elsewhere, goes on being written by whoever has
its files open: at its path there is another one, or none.
"""

import errno
import os
import time
from pathlib import Path
from typing import Final

from orchestrator.errors import ResultsGone, ResultsRemoved

LOOK_PERIOD: Final = 0.25
"""Seconds between two looks at a path; a sweep asks some thousand times a second."""
SETTLES: Final = 0.2
"""Seconds after which a path that leads elsewhere is looked at again: a link is gone for a moment while it is replaced."""

_OPENED: Final = Path("/proc/self/fd")


class HeldDirectory:
    """The directory that a sweep has begun in, from its opening to `close`."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self._looked = time.monotonic()

    def check(self) -> None:
        """Raises ResultsGone. May be called at any rate."""
        now = time.monotonic()
        if now - self._looked >= LOOK_PERIOD:
            self._looked = now
            self.check_now()

    def check_now(self) -> None:
        """Raises ResultsGone."""
        refuse_another(self._path, self._descriptor, self._path)

    def remove(self, name: str) -> None:
        """A file of this directory, wherever it is now. Raises OSError."""
        os.unlink(name, dir_fd=self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def refuse_another(path: Path, descriptor: int, root: Path) -> None:
    """Raises ResultsGone, ResultsRemoved where the path does not lead to what is open any more. root: of the results."""
    if leads_to(path, descriptor):
        return
    time.sleep(SETTLES)
    if leads_to(path, descriptor):
        return
    if os.fstat(descriptor).st_nlink == 0:
        raise ResultsRemoved(_removed(path))
    found = path_of(descriptor)
    now = found if found is None or path == root else found.parent
    there = "leads to another directory now" if root.exists() else "no longer exists"
    raise ResultsGone(f"{root} {there}: {_moved(now)}", now)


def leads_to(path: Path, descriptor: int) -> bool:
    """Whether who opens the path opens what is open here. Also where that cannot be told: a server may be away."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        return error.errno != errno.ELOOP


def path_of(descriptor: int) -> Path | None:
    """Where that is now; None where no path leads there, or the system does not say."""
    try:
        found = (_OPENED / str(descriptor)).readlink()
    except OSError:
        return None
    return found if leads_to(found, descriptor) else None


def _removed(path: Path) -> str:
    if path.exists():
        return (
            f"{path} was removed while the sweep wrote it, and another is in its place: the same command starts there"
        )
    return f"{path} was removed while the sweep wrote it; the same command starts over"


def _moved(now: Path | None) -> str:
    if now is None:
        return (
            "another was mounted or put in its place while the sweep wrote it. Everything finished is in the one before: the"
            " same command goes on once that is back"
        )
    return (
        "it was renamed, or a link made to lead elsewhere, while the sweep wrote it. Everything finished is in"
        f" {now}: move it back, or give the same command --results {now}"
    )
