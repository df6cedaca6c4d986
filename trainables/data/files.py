"""Files in folders that others write too: read where they are regular ones, and written whole or not at all.

A FIFO keeps whoever opens it waiting, a device never ends; neither is opened by what is here.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, EISDIR, EMLINK
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from stat import S_ISDIR, S_ISREG
from typing import IO, BinaryIO, Final

# Names of files as text, whatever bytes they are made of.


def printable(name: str) -> str:
    """The name of a file on one line, with escapes for what is not text."""
    text = os.fsencode(name).decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


_HOLE: Final = 1 << 28
"""Bytes of a file from which on it is asked whether it is there at all: orch leaves no holes in what it writes."""
_NO_WAITING: Final = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def open_regular(path: Path) -> BufferedReader:
    """The file, open for reading; links are followed. Raises OSError, where it is not a regular file too."""
    return os.fdopen(_opened(path, os.O_RDONLY), "rb")


def open_to_append(path: Path) -> BinaryIO:
    """The file, which is made where there is none, open for writing at its end.

    Raises OSError, also where it is a link or has a second name: what is written might be another's.
    """
    return os.fdopen(_own(path, _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW)), "ab")


def read_regular(path: Path, most: int) -> bytes:
    """Read a file's content, or its first `most` bytes. Raises OSError, as `open_regular` does."""
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
    raise OSError(EINVAL, "it is not a regular file", str(path))


def _own(path: Path, opened: int) -> int:
    if os.fstat(opened).st_nlink > 1:
        os.close(opened)
        raise OSError(EMLINK, "it has a second name elsewhere", str(path))
    return opened


# What a results directory is known by, so that nobody takes it for data. Its other files:
# `orchestrator.store.paths`.

JOURNAL: Final = "journal.sqlite"
LOCK_HOLDER: Final = ".lock.json"
CHECKSUMS: Final = "checksums.json"
FETCHED: Final = ".fetched.json"
"""In a copy of a cluster's results."""
WEIGHTS: Final = "weights"
IMAGES: Final = "pictures"
PREDICTIONS: Final = "predictions.parquet"
CHECKPOINTS: Final = "checkpoints"
WANDB: Final = "wandb"
DAMAGED: Final = "damaged"
MONITOR: Final = "monitor"
"""What `orch monitor` has kept."""

FOLDERS: Final = frozenset({WEIGHTS, IMAGES, PREDICTIONS, CHECKPOINTS, WANDB, DAMAGED, MONITOR})
"""All that it has."""


# Files that are whole or not there, whatever happens while they are written, and whoever else may write in that
# folder.

_UNFINISHED: Final = re.compile(r"\..+\.tmp", re.DOTALL)
"""Also what an earlier orch has left, whose names could be foreseen."""


def atomic_write(content: bytes, path: Path) -> None:
    """Put a file in place, and the folder for it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_whole(content, path)


def replace_whole(content: bytes, path: Path) -> None:
    """Put a file in place, in a folder that is there: a reader, and a machine that loses its power, has all of it or the one
    before. Raises OSError.
    """
    with being_written(path) as file:
        file.write(content)


@contextmanager
def being_written(path: Path) -> Iterator[IO[bytes]]:
    """What is written into this file is durable and in place when the block has ended well, else gone. Raises OSError.

    Whoever can only write to a path may write to the file's `name` meanwhile.
    """
    with unfinished(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).replace(path)
        durable(path.parent)


@contextmanager
def unfinished(path: Path) -> Iterator[IO[bytes]]:
    """A new file beside `path`, which has to be given another name than its `name`, or is gone. Raises OSError."""
    file = _new(path)
    try:
        with file:
            yield file
    finally:
        with suppress(OSError):  # the folder is gone or has become another's, and what went wrong is reported already
            Path(file.name).unlink()


def remove_unfinished(folder: Path) -> None:
    """Remove what writers have left there that were killed. What is still being written stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _UNFINISHED.fullmatch(entry.name) and entry.is_file(follow_symlinks=False) and _is_left(entry.path):
                Path(entry.path).unlink()


def durable(path: Path) -> None:
    """A file's content, or a folder's list of names, on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new(path: Path) -> IO[bytes]:
    """Locked as long as it is open, by which it is told from what a killed writer has left."""
    while True:
        file = path.with_name(f".{path.name}.{token_hex(8)}.tmp").open("x+b")
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # taken for left over before it was locked


def _is_left(path: str) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
