"""IDX files, as MNIST is published in (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/), gzipped or not.

A header of big-endian numbers (two zero bytes, the type, the number of axes, then each axis' length), then the values.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from trainables.errors import DataError
from trainables.regular_file import open_regular

_BYTES: Final = 0x08
"""The type of unsigned bytes, the only one that pictures and labels use."""
_CHUNK: Final = 1 << 20
_SMALL: Final = 64 << 20
"""Bytes that are read of any file."""
_MOST_GROWTH: Final = 100
"""MNIST's files grow fivefold when they are unpacked."""
_GZIP: Final = b"\x1f\x8b"


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in the file. Raises DataError where it is damaged."""
    try:
        with _opened(path) as file:
            shape = _header(file, path)
            _refuse_what_grows(path, math.prod(shape))
            values = _read(file, math.prod(shape))
    except (OSError, EOFError, zlib.error) as damage:
        _damaged(path, str(damage))
    if len(values) != math.prod(shape):
        held = "more" if len(values) > math.prod(shape) else len(values)
        _damaged(path, f"its header tells of {math.prod(shape)} values, it holds {held}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _refuse_what_grows(path: Path, count: int) -> None:
    """A header may tell of any number of values, and a packed file may hold a thousand times its own size of them."""
    if count > max(_SMALL, _MOST_GROWTH * path.stat().st_size):
        _damaged(path, f"its header tells of {count:,} values, more than {_MOST_GROWTH} times the bytes of the file")


def idx_head(path: Path, count: int = 0) -> tuple[tuple[int, ...], bytes]:
    """The array's shape and its first `count` values, from the start of the file. Raises DataError."""
    try:
        with _opened(path) as file:
            return _header(file, path), file.read(count)
    except (OSError, EOFError, zlib.error) as damage:
        _damaged(path, str(damage))


def _read(file: BinaryIO | gzip.GzipFile, count: int) -> bytearray:
    """All values, or some more than `count`: a packed file may hold a thousand times what its header tells."""
    values = bytearray()
    while len(values) <= count and (chunk := file.read(_CHUNK)):
        values += chunk
    return values


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    with open_regular(path) as file:
        packed = file.read(2) == _GZIP
    return gzip.open(path, "rb") if packed else open_regular(path)


def _header(file: BinaryIO | gzip.GzipFile, path: Path) -> tuple[int, ...]:
    start = file.read(4)
    if len(start) != 4 or start[:3] != bytes([0, 0, _BYTES]) or start[3] == 0:
        _damaged(path, f"it starts with the bytes {start.hex(' ') or '(none)'}, not with an IDX header of bytes")
    lengths = file.read(4 * start[3])
    if len(lengths) != 4 * start[3]:
        _damaged(path, "it ends within its header")
    return struct.unpack(f">{start[3]}I", lengths)


def _damaged(path: Path, why: str) -> NoReturn:
    raise DataError(f"cannot read the IDX file {path}: {why}; delete it and get it again")
