"""Digits of house numbers (Netzer et al. 2011, "Reading Digits in Natural Images ...", sec. 2)."""

from pathlib import Path
from typing import ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import digest_of_arrays, remembered
from trainables.data.published import PublishedDataset, first_complete, kept_downloads
from trainables.dataset import DataInfo, DataLocation, Examples
from trainables.errors import DataError

# The MATLAB files in which SVHN's cropped digits are published (http://ufldl.stanford.edu/housenumbers/).

_SHAPE = (32, 32, 3)
_TEN = 10
"""The label of the digit 0."""


def read_house_numbers(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (count, 3, 32, 32) and labels 0 to 9 (count,) of one file. Raises DataError where it is damaged."""
    from scipy.io import loadmat  # slow to import

    try:
        # arrays of numbers alone are read of a file, and nothing in it is run
        content = loadmat(path, appendmat=False, variable_names=["X", "y"])
        images, labels = content["X"], content["y"]
    except KeyError as lacking:
        _damaged(path, f"it has no {lacking}")
    except OSError as refused:
        _damaged(path, refused.strerror or str(refused))
    except Exception as damage:  # noqa: BLE001 - scipy raises anything on damaged bytes
        _damaged(path, str(damage) or repr(damage))
    if not _are_images(images):
        _damaged(path, f"X is {_described(images)}, and has to be uint8 (32, 32, 3, images)")
    count = images.shape[-1]
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "uif" or labels.size != count or not count:
        _damaged(path, f"y is {_described(labels)}, and has to be a label for each of {count} images")
    if labels.min() < 0 or labels.max() > _TEN:
        _damaged(path, f"its labels go from {labels.min()} to {labels.max()}, not from 1 to 10")
    if not np.isin(labels, np.arange(_TEN + 1)).all():
        _damaged(path, "its labels are not all whole numbers")
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.reshape(-1).astype(np.int64) % _TEN


def _are_images(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 4 and value.shape[:3] == _SHAPE


def _described(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _damaged(path: Path, why: str) -> NoReturn:
    raise DataError(f"cannot read the SVHN file {path}: {why}; delete it and get it again")


class Svhn(PublishedDataset):
    """73,257 training and 26,032 test images, 32 x 32, RGB, cropped around one digit (format 2).

    Read from the data folder: `train_32x32.mat` and `test_32x32.mat` (and `extra_32x32.mat`) there, in `svhn/` or
    `SVHN/`. The classes are as unequal as house numbers are.
    """

    name: ClassVar[str] = "svhn"
    licence: ClassVar[str] = "for non-commercial use, http://ufldl.stanford.edu/housenumbers/"
    classes: ClassVar[tuple[str, ...]] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

    extra: bool = False
    """Whether the 531,131 easier images of `extra_32x32.mat` join those to train on."""

    def info(self, location: DataLocation) -> DataInfo:
        self._files(location)
        return DataInfo(self.name, "image", (3, 32, 32), "classification", self.classes, official_test=True)

    def fingerprint(self, location: DataLocation) -> str:
        files = self._files(location)
        return remembered(
            location,
            "svhn",
            files,
            lambda: digest_of_arrays(array for file in files for array in read_house_numbers(file)),
        )

    def load(self, location: DataLocation) -> Examples:
        images, labels = zip(*map(read_house_numbers, self._files(location)), strict=True)
        targets = np.concatenate(labels)
        count = len(targets)
        return Examples(np.concatenate(images), targets, np.arange(count) >= count - len(labels[-1]))

    def _parts(self) -> tuple[str, ...]:
        return ("train", "extra", "test") if self.extra else ("train", "test")

    def _found(self, location: DataLocation) -> list[Path] | None:
        candidates = ([folder / _file(part) for part in self._parts()] for folder in _candidates(location))
        return first_complete(candidates)

    def _looked(self, location: DataLocation) -> list[str]:
        return [str(folder) for folder in _candidates(location)]

    def _wanted(self, location: DataLocation) -> str:
        where = "the data folder (`--data` or ORCH_DATA)" if location.data is None else location.data
        return f"put {' and '.join(map(_file, self._parts()))} into the folder svhn in {where}."

    def _download(self, folder: Path) -> None:
        from torchvision.datasets import SVHN  # slow to import, and needed by a download alone
        from torchvision.datasets.utils import download_url

        for part in self._parts():
            address, file, digest = SVHN.split_list[part]
            download_url(address, folder / self.name, file, digest)


def _file(part: str) -> str:
    return f"{part}_32x32.mat"


def _candidates(location: DataLocation) -> list[Path]:
    roots = [] if location.data is None else [location.data, location.data / "svhn", location.data / "SVHN"]
    return [*roots, kept_downloads(location) / "svhn"]
