"""Digests of a data set's content, remembered so that files that have not changed are read once."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import blake2b, file_digest
from os import cpu_count
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from trainables.data.files import atomic_write, printable, read_regular
from trainables.data.own_folders import tag_cache
from trainables.dataset import DataLocation
from trainables.errors import BrokenImage, DataError

# What tells that files are still those that were read: their sizes, their times, and their numbers on the disk.

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
    """Return the stamp of each file in its order. Raises OSError, where a file is gone too."""
    numbers = [number for path in files for number in stamp(path)]
    return np.array(numbers, np.uint64).reshape(-1, _COLUMNS)


def stamp(path: str | Path) -> tuple[int, int, int, int]:
    """Return the stamp of one file, as its row in `stamps`. Raises OSError."""
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
    raise DataError(f"{found} while it was read; wait until nothing writes to the data, and start again")


def _changed(before: Sequence[str], known: Stamps, after: Sequence[str], now: Stamps) -> str | None:
    """Return what changed, in words; None where nothing did."""
    if before != after:
        came = sorted(set(after) - set(before))
        gone = sorted(set(before) - set(after))
        return f"{printable((came or gone)[0])} {'came' if came else 'went'}"
    differing = np.flatnonzero((known != now).any(axis=1))
    return f"{printable(after[differing[0]])} changed" if len(differing) else None


LARGE: Final = 2 * 1024**3
"""Bytes of files above which names and sizes stand for the content."""
_FORMAT: Final = 3
"""Raised when anything that is remembered comes to be computed in another way."""


def digest_of_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """Hex digest of arrays in their order: types, shapes and values."""
    digest = blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def digest_of_files(named: Iterable[tuple[str, str]]) -> str:
    """Hex digest of the files' names (as given) and content in their order; above 2 GiB of their names and sizes."""
    files = [(os.fsencode(name), Path(path), Path(path).stat().st_size) for name, path in named]
    large = sum(size for _, _, size in files) > LARGE
    digest = blake2b(digest_size=16)
    for name, path, size in files:
        # the lengths keep the end of a name or a file from being taken for the start of the next
        digest.update(f"{len(name)}:{size}:".encode() + name)
        if not large:
            with path.open("rb") as file:
                file_digest(file, lambda: digest)
    return digest.hexdigest()


def remembered(location: DataLocation, purpose: str, files: Iterable[str | Path], compute: Callable[[], str]) -> str:
    """Return what `compute` gave for these files as they are: recalled while no path, size, time or number of one differs.

    purpose: tells apart what is computed of the same files. Raises DataError where a file cannot be read, where the files
    change while they are, or the cache folder cannot be written.
    """
    paths = [os.fspath(path) for path in files]
    try:
        seen = stamps(paths)
        entry = location.cache / "content" / _key(purpose, paths, seen)
        recalled = _recall(entry)
        if recalled is not None:
            return recalled
        computed = steadily(lambda: paths, compute)
        as_before = np.array_equal(stamps(paths), seen)
    except OSError as refused:
        raise DataError(f"cannot read the data: {refused}") from refused
    # what changed in between is remembered by nobody, and neither is what could change once more under the same time
    if as_before and settled(seen):
        _remember(entry, computed)
    return computed


def _key(purpose: str, paths: Sequence[str], seen: Stamps) -> str:
    digest = blake2b(f"{_FORMAT} {purpose}".encode(), digest_size=16)
    for path, stamp in zip(paths, seen.tolist(), strict=True):
        digest.update(b"\0" + os.fsencode(path) + f"\0{stamp}".encode())
    return digest.hexdigest()


def _recall(entry: Path) -> str | None:
    try:
        check, _, text = read_regular(entry, entry.stat().st_size).partition(b"\n")
    except OSError:  # mostly there is none
        return None
    return text.decode() if check == _check(text) else None


def _remember(entry: Path, text: str) -> None:
    written = text.encode()
    try:
        atomic_write(_check(written) + b"\n" + written, entry)
        tag_cache(entry.parent.parent)
    except OSError as refused:
        raise DataError(
            f"cannot write the cache folder {entry.parent}: {refused}; free some space, or use another (ORCH_CACHE)"
        ) from refused


def _check(text: bytes) -> bytes:
    return blake2b(text, digest_size=8).hexdigest().encode()


# What tells apart the contents of many files: a hash of each, remembered while the files do not change.

_MAX_THREADS: Final = 8
_PIECE: Final = 4096
_BYTES: Final = 8
"""Of one hash."""


def file_hashes(location: DataLocation, files: Iterable[str]) -> NDArray[np.uint64]:
    """uint64 (files,), equal where two files hold the same bytes.

    Where all together take more than 2 GiB, a file's size and the 4 KiB at its start, middle and end stand for its
    bytes. Raises BrokenImage where a file cannot be read, DataError where the cache cannot be written.
    """
    paths = list(files)
    text = remembered(location, "file hashes", paths, lambda: _hashed(paths))
    return np.frombuffer(bytes.fromhex(text), "<u8").astype(np.uint64)


def _hashed(paths: Sequence[str]) -> str:
    from concurrent.futures import ThreadPoolExecutor  # 5 ms, for those who read content

    large = sum(Path(path).stat().st_size for path in paths) > LARGE
    with ThreadPoolExecutor(min(_MAX_THREADS, cpu_count() or 1)) as threads:
        return "".join(threads.map(partial(file_hash, pieces=large), paths, chunksize=64))


def file_hash(path: str, pieces: bool) -> str:
    """Hash one file, in hexadecimal; pieces of it where all together are large. Raises BrokenImage."""
    digest = blake2b(digest_size=_BYTES)
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            digest.update(f"{size}:".encode())
            starts = (0, max(0, size // 2 - _PIECE // 2), max(0, size - _PIECE)) if pieces else (0,)
            for start in starts:
                file.seek(start)
                digest.update(file.read(_PIECE if pieces else -1))
    except OSError as refused:
        raise BrokenImage(printable(path), refused.strerror or repr(refused)) from refused
    return digest.hexdigest()
