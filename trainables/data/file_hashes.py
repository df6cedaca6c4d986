"""What tells apart the contents of many files: a hash of each, remembered while the files do not change."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from os import cpu_count
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import LARGE, remembered
from trainables.data.printable import printable
from trainables.dataset import DataPlace
from trainables.errors import BrokenPicture

_MOST_THREADS: Final = 8
_PIECE: Final = 4096
_BYTES: Final = 8
"""Of one hash."""


def file_hashes(place: DataPlace, files: Iterable[str]) -> NDArray[np.uint64]:
    """uint64 (files,), equal where two files hold the same bytes.

    Where all together take more than 2 GiB, a file's size and the 4 KiB at its start, middle and end stand for its
    bytes. Raises BrokenPicture where a file cannot be read, DataError where the cache cannot be written.
    """
    paths = list(files)
    text = remembered(place, "file hashes", paths, lambda: _hashed(paths))
    return np.frombuffer(bytes.fromhex(text), "<u8").astype(np.uint64)


def _hashed(paths: Sequence[str]) -> str:
    large = sum(Path(path).stat().st_size for path in paths) > LARGE
    with ThreadPoolExecutor(min(_MOST_THREADS, cpu_count() or 1)) as threads:
        return "".join(threads.map(partial(file_hash, pieces=large), paths, chunksize=64))


def file_hash(path: str, pieces: bool) -> str:
    """That of one file, in hexadecimal; of pieces of it where all together are large. Raises BrokenPicture."""
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
        raise BrokenPicture(printable(path), refused.strerror or repr(refused)) from refused
    return digest.hexdigest()
