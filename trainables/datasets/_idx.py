"""Data sets published as MNIST is: four IDX files, of training and test images and labels."""

import gzip
import math
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import digest_of_arrays, remembered
from trainables.data.files import open_regular
from trainables.data.published import PublishedDataset, kept_downloads
from trainables.dataset import DataInfo, DataLocation, Examples
from trainables.errors import DataError

# IDX files, as MNIST is published in (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/), gzipped or not.

_BYTES: Final = 0x08
"""The type of unsigned bytes, the only one that images and labels use."""
_CHUNK: Final = 1 << 20
_SMALL: Final = 64 << 20
"""Bytes that are read of any file."""
_MAX_GROWTH: Final = 100
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
        _damaged(path, f"its header declares {math.prod(shape)} values, it holds {held}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _refuse_what_grows(path: Path, count: int) -> None:
    """A header may tell of any number of values, and a packed file may hold a thousand times its own size of them."""
    if count > max(_SMALL, _MAX_GROWTH * path.stat().st_size):
        _damaged(path, f"its header declares {count:,} values, more than {_MAX_GROWTH} times the bytes of the file")


def idx_head(path: Path, count: int = 0) -> tuple[tuple[int, ...], bytes]:
    """The array's shape and its first `count` values, from the start of the file. Raises DataError."""
    try:
        with _opened(path) as file:
            return _header(file, path), file.read(count)
    except (OSError, EOFError, zlib.error) as damage:
        _damaged(path, str(damage))


def _read(file: BinaryIO | gzip.GzipFile, count: int) -> bytearray:
    """Return all values, or some more than `count`: a packed file may hold a thousand times what its header tells."""
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


_FILES: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_FIRST_LABELS: Final = {
    "mnist": bytes([5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7]),
    "fashion_mnist": bytes([9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9]),
}
"""The first training labels as published: the files of both sets bear the same names."""

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class IdxDataset(PublishedDataset):
    """Grey images with an official test split, read from the four files in one folder."""

    folders: ClassVar[tuple[str, ...]]
    """Names of folders in the data folder."""
    in_root: ClassVar[bool] = True
    """Whether the files may lie in the data folder itself, where no name tells whose they are."""
    elsewhere: ClassVar[tuple[Path, ...]] = ()
    """Folders outside the data folder, where system packages put the files."""
    torchvision_name: ClassVar[str]
    """Of torchvision's class, and of its folder."""
    classes: ClassVar[tuple[str, ...]]

    def file_names(self) -> tuple[str, ...]:
        """Return the file names of training images and labels, then of test images and labels."""
        return _FILES

    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes in label order."""
        return self.classes

    def put_right(self, images: Images, labels: Labels) -> tuple[Images, Labels]:
        """Upright images (count, height, width), and labels that count from 0, of what the files hold."""
        return images, labels

    def info(self, location: DataLocation) -> DataInfo:
        files = self._files(location)
        height, width = _image_size(files, [idx_head(file)[0] for file in files])
        none, _ = self.put_right(np.empty((0, height, width), np.uint8), np.empty(0, np.int64))
        shape = (1, *none.shape[1:])
        return DataInfo(self.name, "image", shape, "classification", self.class_names(), official_test=True)

    def fingerprint(self, location: DataLocation) -> str:
        files = self._files(location)
        return remembered(location, "idx", files, lambda: digest_of_arrays(map(read_idx, files)))

    def load(self, location: DataLocation) -> Examples:
        files = self._files(location)
        arrays = [read_idx(file) for file in files]
        _image_size(files, [array.shape for array in arrays])
        train, train_labels = self.put_right(arrays[0], arrays[1].astype(np.int64))
        test, test_labels = self.put_right(arrays[2], arrays[3].astype(np.int64))
        count = len(self.class_names())
        for labels, written, file in ((train_labels, arrays[1], files[1]), (test_labels, arrays[3], files[3])):
            if labels.min() < 0 or labels.max() >= count:
                found = f"labels from {written.min()} to {written.max()}"
                raise DataError(f"{file} holds {found}, which do not fit the {count} classes of {self.name}")
        targets = np.concatenate([train_labels, test_labels])
        return Examples(np.concatenate([train, test])[:, None], targets, np.arange(len(targets)) >= len(train_labels))

    def _found(self, location: DataLocation) -> list[Path] | None:
        names = self.file_names()
        complete = (files for folder in self._candidates(location) if (files := _all_files(folder, names)) is not None)
        return next((files for files in complete if self._other(files) is None), None)

    def _candidates(self, location: DataLocation) -> list[Path]:
        layout = f"{self.torchvision_name}/raw"
        names = (layout, *self.folders, *(["."] if self.in_root else []))
        within = [] if location.data is None else [location.data / name for name in names]
        return [*within, kept_downloads(location) / layout, *self.elsewhere]

    def _other(self, files: list[Path]) -> str | None:
        """The set whose files these are, if they are not this one's."""
        _, labels = idx_head(files[1], 16)
        return next((name for name, first in _FIRST_LABELS.items() if first == labels and name != self.name), None)

    def _looked(self, location: DataLocation) -> list[str]:
        return [f"{folder}{self._why_not(folder)}" for folder in self._candidates(location)]

    def _why_not(self, folder: Path) -> str:
        names = self.file_names()
        files = _all_files(folder, names)
        if files is not None:
            return f" (which holds {self._other(files)})"
        lacking = [name for name in names if _file(folder, name) is None]
        return f" (which lacks {', '.join(lacking)})" if len(lacking) < len(names) else ""

    def _wanted(self, location: DataLocation) -> str:
        data = "the data folder (`--data` or ORCH_DATA)" if location.data is None else location.data
        where = f"the folder {self.folders[0]} in {data}"
        return f"put the files {', '.join(self.file_names())} (gzipped or not) into {where}."

    def _download(self, folder: Path) -> None:
        from torchvision import datasets  # slow to import, and needed by a download alone

        getattr(datasets, self.torchvision_name)(folder, download=True)


def _image_size(files: list[Path], shapes: list[tuple[int, ...]]) -> tuple[int, int]:
    """Height and width of an image. Raises DataError where the arrays of the four files do not fit together."""
    for first, second in ((0, 1), (2, 3)):
        images, values = shapes[first], shapes[second]
        if len(images) != 3 or 0 in images or values != images[:1]:
            raise DataError(
                f"{files[first]} (shape {images}) and {files[second]} (shape {values}) do not fit together: they "
                f"should be (images, height, width) and (images,); delete them and get them again"
            )
    if shapes[0][1:] != shapes[2][1:]:
        raise DataError(f"{files[0]} and {files[2]} hold images of different sizes")
    return shapes[0][1], shapes[0][2]


def _all_files(folder: Path, names: Sequence[str]) -> list[Path] | None:
    files = [file for name in names if (file := _file(folder, name)) is not None]
    return files if len(files) == len(names) else None


def _file(folder: Path, name: str) -> Path | None:
    # copies on the web have a dot before `idx`
    names = [spelt + end for end in ("", ".gz") for spelt in (name, name.replace("-idx", ".idx"))]
    # unlike Path.is_file, os.path.isfile passes over a folder that may not be entered
    return next((folder / spelt for spelt in names if os.path.isfile(folder / spelt)), None)  # noqa: PTH113
