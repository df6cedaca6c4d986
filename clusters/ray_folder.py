"""The temporary folder of a Ray that is started here, and what killed sweeps have left of theirs."""

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import Final

from clusters.temporary import temporary_folder

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
