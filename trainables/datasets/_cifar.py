"""Data sets published as CIFAR is: batches of 32 x 32 images, as pickles or in binary, the test split last."""

import pickle
from abc import abstractmethod
from hashlib import md5
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import digest_of_arrays, remembered
from trainables.data.published import PublishedDataset, first_complete, kept_downloads
from trainables.dataset import DataInfo, DataLocation, Examples
from trainables.errors import DataError

# The batches in which CIFAR is published (https://www.cs.toronto.edu/~kriz/cifar.html), as pickles or in binary.

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
"""Images (count, 3, 32, 32) and labels (count,)."""


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
        _damaged(path, f"{content.size} bytes are not a whole number of rows of {labels + _PIXELS}")
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


class CifarDataset(PublishedDataset):
    """Colour images with an official test split, read from the batches in one folder."""

    pickled: ClassVar[dict[str, str]]
    """The batches of the Python version, the test batch last, with the MD5 of each as published."""
    folders: ClassVar[tuple[str, str]]
    """The folders of the Python version and of the binary one."""
    archives: ClassVar[tuple[str, str]]
    """The archives that hold them."""
    torchvision_name: ClassVar[str]
    """Of torchvision's class."""

    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes in label order."""

    def labels_of_pickles(self) -> str:
        """The key of the labels in a batch of the Python version."""
        return "labels"

    def labels_of_rows(self) -> tuple[int, int]:
        """Return how many labels stand before the pixels in the binary version, and which of them is wanted."""
        return 1, 0

    def info(self, location: DataLocation) -> DataInfo:
        self._files(location)
        return DataInfo(self.name, "image", (3, 32, 32), "classification", self.class_names(), official_test=True)

    def fingerprint(self, location: DataLocation) -> str:
        files = self._files(location)
        # what is remembered of a file depends on which of its labels are read
        purpose = f"{self.name}{'' if self.labels_of_pickles() == 'labels' else f' {self.labels_of_pickles()}'}"
        return remembered(
            location, purpose, files, lambda: digest_of_arrays(array for file in files for array in self._read(file))
        )

    def load(self, location: DataLocation) -> Examples:
        files = self._files(location)
        images, labels = zip(*map(self._read, files), strict=True)
        targets = np.concatenate(labels)
        classes = len(self.class_names())
        if targets.min() < 0 or targets.max() >= classes:
            raise DataError(f"{files[0].parent} holds the label {targets.max()}; {self.name} has {classes} classes")
        count = len(targets)
        return Examples(np.concatenate(images), targets, np.arange(count) >= count - len(labels[-1]))

    def _read(self, path: Path) -> Batch:
        if path.suffix == ".bin":
            return read_binary(path, *self.labels_of_rows())
        return read_pickled(path, self.pickled[path.name], self.labels_of_pickles())

    def _found(self, location: DataLocation) -> list[Path] | None:
        candidates = ([folder / name for name in names] for folder, names in self._candidates(location))
        return first_complete(candidates)

    def _candidates(self, location: DataLocation) -> list[tuple[Path, list[str]]]:
        python, binary = self.folders
        layouts = {python: list(self.pickled), binary: [f"{name}.bin" for name in self.pickled]}
        roots = [] if location.data is None else [location.data, location.data / self.name]
        roots.append(kept_downloads(location))
        within = [(root / layout, names) for root in roots for layout, names in layouts.items()]
        flat = [] if location.data is None else [(location.data, names) for names in layouts.values()]
        return [*within, *flat]

    def _looked(self, location: DataLocation) -> list[str]:
        return list(dict.fromkeys(str(folder) for folder, _ in self._candidates(location)))

    def _wanted(self, location: DataLocation) -> str:
        where = "the data folder (`--data` or ORCH_DATA)" if location.data is None else location.data
        return f"unpack {' or '.join(self.archives)} into {where}."

    def _download(self, folder: Path) -> None:
        from torchvision import datasets  # slow to import, and needed by a download alone

        getattr(datasets, self.torchvision_name)(folder, download=True)
        (folder / self.archives[0]).unlink()
