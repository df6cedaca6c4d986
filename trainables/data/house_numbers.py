"""The MATLAB files in which SVHN's cropped digits are published (http://ufldl.stanford.edu/housenumbers/)."""

from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from trainables.errors import DataError

_SHAPE = (32, 32, 3)
_TEN = 10
"""The label of the digit 0."""


def read_house_numbers(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (count, 3, 32, 32) and labels 0 to 9 (count,) of one file. Raises DataError where it is damaged."""
    from scipy.io import loadmat  # slow to import

    try:
        # arrays of numbers alone are read of a file, and nothing in it is run
        content = loadmat(path, appendmat=False, variable_names=["X", "y"])
        pictures, labels = content["X"], content["y"]
    except KeyError as lacking:
        _damaged(path, f"it has no {lacking}")
    except OSError as refused:
        _damaged(path, refused.strerror or str(refused))
    except Exception as damage:  # noqa: BLE001 - scipy raises anything on damaged bytes
        _damaged(path, str(damage) or repr(damage))
    if not _are_pictures(pictures):
        _damaged(path, f"X is {_told(pictures)}, and has to be uint8 (32, 32, 3, pictures)")
    count = pictures.shape[-1]
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "uif" or labels.size != count or not count:
        _damaged(path, f"y is {_told(labels)}, and has to be a label for each of {count} pictures")
    if labels.min() < 0 or labels.max() > _TEN:
        _damaged(path, f"its labels go from {labels.min()} to {labels.max()}, not from 1 to 10")
    if not np.isin(labels, np.arange(_TEN + 1)).all():
        _damaged(path, "its labels are not all whole numbers")
    return np.ascontiguousarray(pictures.transpose(3, 2, 0, 1)), labels.reshape(-1).astype(np.int64) % _TEN


def _are_pictures(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 4 and value.shape[:3] == _SHAPE


def _told(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _damaged(path: Path, why: str) -> NoReturn:
    raise DataError(f"cannot read the SVHN file {path}: {why}; delete it and get it again")
