"""Files that are whole or not there, whatever happens while they are written, and whoever else may write in that folder.

A file is made under a name that nobody can foresee, where there was nothing before, and is given its own name when it is
whole. So a link under either name is replaced or in vain, never followed. Its mode is any new file's: what the umask leaves.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, Final

_UNFINISHED: Final = re.compile(r"\..+\.tmp", re.DOTALL)
"""Also what an earlier orch has left, whose names could be foreseen."""


def write_whole(content: bytes, path: Path) -> None:
    """Put a file in place, and the folder for it: a reader, and a machine that loses its power, has all of it or the one
    before. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
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
        with suppress(OSError):  # the folder is gone or has become another's, and what went wrong is told already
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
