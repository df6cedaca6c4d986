"""The batches in which CIFAR is published (https://www.cs.toronto.edu/~kriz/cifar.html), as pickles or in binary.

A pickle can run any code. These are read only when their MD5 is the published one, and by an unpickler that knows
nothing but numpy arrays.
"""

import pickle
from hashlib import md5
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from trainables.errors import DataError

_PIXELS: Final = 3 * 32 * 32
_KNOWN: Final = frozenset(
    {
        ("numpy.core.multiarray", "_reconstruct"),  # as numpy before 2 writes it, and so the published files
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    }
)
"""All that a batch refers to."""

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Pictures (count, 3, 32, 32) and labels (count,)."""


def read_pickled(path: Path, published: str, labels: str = "labels") -> Batch:
    """A batch of the Python version. published: its MD5; labels: the key of those wanted. Raises DataError."""
    content = _bytes(path)
    if md5(content, usedforsecurity=False).hexdigest() != published:
        _damaged(path, "its MD5 is not the published one")
    try:
        batch = _Arrays(BytesIO(content), encoding="bytes").load()
        return _batch(path, np.asarray(batch[b"data"], np.uint8), np.asarray(batch[labels.encode()], np.int64))
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError) as wrong:
        _damaged(path, str(wrong))


def read_binary(path: Path, labels: int = 1, wanted: int = 0) -> Batch:
    """A batch of the binary version: rows of labels, of which one is wanted, and 3,072 pixels. Raises DataError."""
    content = np.frombuffer(_bytes(path), np.uint8)
    if not content.size or content.size % (labels + _PIXELS):
        _damaged(path, f"{content.size} bytes are no whole number of rows of {labels + _PIXELS}")
    rows = content.reshape(-1, labels + _PIXELS)
    return _batch(path, rows[:, labels:], rows[:, wanted].astype(np.int64))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as refused:
        raise DataError(f"cannot read the CIFAR batch {path}: {refused}") from refused


def _batch(path: Path, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Batch:
    if pixels.shape != (len(labels), _PIXELS):
        _damaged(path, f"pixels of shape {pixels.shape} and {len(labels)} labels do not fit together")
    return pixels.reshape(-1, 3, 32, 32), labels


class _Arrays(pickle.Unpickler):
    """Refuses whatever is not an array, a list, a text or a number."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no batch does")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _damaged(path: Path, why: str) -> NoReturn:
    raise DataError(f"cannot read the CIFAR batch {path}: {why}; delete it and get it again")
