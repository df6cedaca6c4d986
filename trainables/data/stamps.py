"""What tells that files are still those that were read: their sizes, their times, and their numbers on the disk.

The time of modification alone does not: `cp -p`, `rsync -a` and `tar` set it to that of the copy's original. The time of
the last change of any kind (ctime) is the system's own, and a file that takes another's place has another number.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from trainables.data.printable import printable
from trainables.errors import DataError

Stamps = NDArray[np.uint64]
"""(files, 4): size, modification, number, change."""
Read = TypeVar("Read")

_COLUMNS: Final = 4
_SIZE, _CHANGE = 0, 3
_TRIES: Final = 2
"""A backup that makes links changes the times of files whose content stays: what was read then is read once more."""
_SECOND: Final = 1_000_000_000
_TICK: Final = _SECOND // 50
"""Nanoseconds between two times that a kernel tells apart, at most: two writes within may bear the same one."""
_COARSE: Final = 2 * _SECOND
"""The same where a file system keeps whole seconds (FAT keeps every other one)."""
_WORD: Final = (1 << 64) - 1


def stamps(files: Iterable[str | Path]) -> Stamps:
    """Of each file in its order. Raises OSError, where a file is gone too."""
    numbers = [number for path in files for number in stamp(path)]
    return np.array(numbers, np.uint64).reshape(-1, _COLUMNS)


def stamp(path: str | Path) -> tuple[int, int, int, int]:
    """Of one file, as its row in `stamps`. Raises OSError."""
    status = Path(path).stat()
    return (status.st_size, status.st_mtime_ns & _WORD, status.st_ino & _WORD, status.st_ctime_ns & _WORD)


def total_size(of: Stamps) -> int:
    """Bytes of all files."""
    return int(of[:, _SIZE].sum())


def settled(of: Stamps) -> bool:
    """Whether the last change lies so far back that another one would bear another time."""
    if not len(of):
        return True
    last = int(of[:, _CHANGE].max())
    return last < time.time_ns() - (_TICK if last % _SECOND else _COARSE)


def steadily(files: Callable[[], Sequence[str]], read: Callable[[], Read]) -> Read:
    """What `read` gives while none of the files changes; it is called once more where one did.

    Raises what either raises, OSError where a file is gone, and DataError where the files go on changing.
    """
    before = files()
    known = stamps(before)
    for _ in range(_TRIES):
        value = read()
        after = files()
        now = stamps(after)
        found = _changed(before, known, after, now)
        if found is None:
            return value
        before, known = after, now
    raise DataError(f"{found} while it was read; wait until nothing writes to the data any more, and start again")


def _changed(before: Sequence[str], known: Stamps, after: Sequence[str], now: Stamps) -> str | None:
    """What changed, in words; None where nothing did."""
    if before != after:
        came = sorted(set(after) - set(before))
        gone = sorted(set(before) - set(after))
        return f"{printable((came or gone)[0])} {'came' if came else 'went'}"
    differing = np.flatnonzero((known != now).any(axis=1))
    return f"{printable(after[differing[0]])} changed" if len(differing) else None
