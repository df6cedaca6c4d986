"""Digests of a data set's content, remembered so that files that have not changed are read once."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.own_folders import tag_cache
from trainables.data.stamps import Stamps, settled, stamps, steadily
from trainables.dataset import DataPlace
from trainables.errors import DataError
from trainables.regular_file import read_regular
from trainables.whole_file import write_whole

LARGE: Final = 2 * 1024**3
"""Bytes of files above which names and sizes stand for the content."""
_CHUNK: Final = 1 << 20
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
            for chunk in _chunks(path):
                digest.update(chunk)
    return digest.hexdigest()


def remembered(place: DataPlace, purpose: str, files: Iterable[str | Path], compute: Callable[[], str]) -> str:
    """What `compute` gave for these files as they are: recalled while no path, size, time or number of one differs.

    purpose: tells apart what is computed of the same files. Raises DataError where a file cannot be read, where the files
    change while they are, or the cache folder cannot be written.
    """
    paths = [os.fspath(path) for path in files]
    try:
        seen = stamps(paths)
        entry = place.cache / "content" / _key(purpose, paths, seen)
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
        write_whole(_check(written) + b"\n" + written, entry)
        tag_cache(entry.parent.parent)
    except OSError as refused:
        raise DataError(
            f"cannot write the cache folder {entry.parent}: {refused}; free some space, or use another (ORCH_CACHE)"
        ) from refused


def _check(text: bytes) -> bytes:
    return blake2b(text, digest_size=8).hexdigest().encode()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
