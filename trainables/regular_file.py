"""Files that a user names: read where they are regular ones, and never waited for.

A FIFO keeps its reader waiting, a device never ends; neither is opened for reading by what is here.
"""

import os
from errno import EINVAL, EISDIR
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, Final

_NO_WAITING: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def open_regular(path: Path) -> BinaryIO:
    """The file, open for reading; links are followed. Raises OSError, where it is no regular file too."""
    opened = os.open(path, _NO_WAITING)
    mode = os.fstat(opened).st_mode  # of what was opened: the name may mean another file by now
    if S_ISREG(mode):
        return os.fdopen(opened, "rb")
    os.close(opened)
    if S_ISDIR(mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    raise OSError(EINVAL, "it is no regular file", str(path))


def read_regular(path: Path, most: int) -> bytes:
    """Its content, or the first `most` bytes of it. Raises OSError, as `open_regular` does."""
    with open_regular(path) as file:
        return file.read(most)
