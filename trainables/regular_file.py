"""Files that others may have put there: opened where they are regular ones, and never waited for.

A FIFO keeps whoever opens it waiting, a device never ends; neither is opened by what is here.
"""

import os
from errno import EINVAL, EISDIR, EMLINK
from io import BufferedReader
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, Final

_HOLE: Final = 1 << 28
"""Bytes of a file from which on it is asked whether it is there at all: orch leaves no holes in what it writes."""
_NO_WAITING: Final = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def open_regular(path: Path) -> BufferedReader:
    """The file, open for reading; links are followed. Raises OSError, where it is no regular file too."""
    return os.fdopen(_opened(path, os.O_RDONLY), "rb")


def open_to_append(path: Path) -> BinaryIO:
    """The file, which is made where there is none, open for writing at its end.

    Raises OSError, also where it is a link or has a second name: what is written might be another's.
    """
    return os.fdopen(_own(path, _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW)), "ab")


def read_regular(path: Path, most: int) -> bytes:
    """Its content, or the first `most` bytes of it. Raises OSError, as `open_regular` does."""
    with open_regular(path) as file:
        return file.read(most)


def is_hole(status: os.stat_result) -> bool:
    """Whether it takes far less room than its size says: reading it would take hours, or all memory, for zeros."""
    return status.st_size > _HOLE and status.st_blocks * 512 < status.st_size // 64


def _opened(path: Path, how: int) -> int:
    opened = os.open(path, how | _NO_WAITING, 0o666)
    mode = os.fstat(opened).st_mode  # of what was opened: the name may mean another file by now
    if S_ISREG(mode):
        return opened
    os.close(opened)
    if S_ISDIR(mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    raise OSError(EINVAL, "it is no regular file", str(path))


def _own(path: Path, opened: int) -> int:
    if os.fstat(opened).st_nlink > 1:
        os.close(opened)
        raise OSError(EMLINK, "it has a second name elsewhere", str(path))
    return opened
