"""Temporary folders that are made, with room in them, or told of in words of the user's. Imports no ray.

Also that of a Ray that is started here, and what killed sweeps have left of theirs.
"""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from clusters.errors import NoTemporaryFolder

ROOM: Final = 4 * 2**20
"""Bytes that a folder has to have room for: our code, or what a local Ray writes in a short sweep."""


def temporary_folder(prefix: str, root: Path | None = None) -> Path:
    """A new one, for this user alone, in `root` or where Python finds a place (TMPDIR first). Raises NoTemporaryFolder."""
    fix = (
        "set TMPDIR to a folder that can be written to" if root is None else f"make {root} writable, with some MiB free"
    )
    try:
        place = Path(tempfile.gettempdir()) if root is None else root
    except FileNotFoundError as error:  # its text names all that it has tried
        raise NoTemporaryFolder(f"no temporary folder can be made: {error.strerror}", fix) from error
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, ROOM)
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise NoTemporaryFolder(f"no temporary folder can be made in {place}: {error.strerror}", fix) from error
    return folder


_ROOT: Final = Path("/tmp")  # Ray's sockets need a short path  # noqa: S108 # nosec B108
_PREFIX: Final = "orch-ray-"
_SETTLED_SECONDS: Final = 60.0
"""A younger folder may be one whose owner has not locked it yet, or in which the agents of a killed Ray still write."""


class RayFolder:
    """Locked by its owner as long as that lives: whoever finds it unlocked may remove it."""

    def __init__(self) -> None:
        """Raises NoTemporaryFolder."""
        self.path = temporary_folder(_PREFIX, _ROOT)
        lock = _locked(self.path)
        assert lock is not None, "nobody knows of it yet"
        self.lock = lock
        """The descriptor that holds it."""

    def remove(self) -> None:
        """Remove the folder; a second call does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def remove_abandoned() -> None:
    """Remove the folders of this user's sweeps that were killed."""
    for folder in _ROOT.glob(f"{_PREFIX}*"):
        try:
            found = folder.lstat()
            if found.st_uid != os.getuid() or time.time() - found.st_mtime < _SETTLED_SECONDS:
                continue
            descriptor = _locked(folder)
        except OSError:  # it has just gone, or is not a folder
            continue
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds its lock; None where another process holds it. Ray's processes do not inherit it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
