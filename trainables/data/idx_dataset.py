"""Data sets published as MNIST is: four IDX files, of training and test pictures and labels."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import digest_of_arrays, remembered
from trainables.data.download import kept_downloads
from trainables.data.idx import idx_head, read_idx
from trainables.data.published_dataset import PublishedDataset
from trainables.dataset import DataInfo, DataPlace, Examples
from trainables.errors import DataError

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

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]


class IdxDataset(PublishedDataset):
    """Grey pictures with an official test split, read from the four files in one folder."""

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
        """Of training pictures and labels, then test pictures and labels."""
        return _FILES

    def class_names(self) -> tuple[str, ...]:
        """In label order."""
        return self.classes

    def put_right(self, pictures: Pictures, labels: Labels) -> tuple[Pictures, Labels]:
        """Upright pictures (count, height, width), and labels that count from 0, of what the files hold."""
        return pictures, labels

    def info(self, place: DataPlace) -> DataInfo:
        files = self._files(place)
        height, width = _picture_size(files, [idx_head(file)[0] for file in files])
        none, _ = self.put_right(np.empty((0, height, width), np.uint8), np.empty(0, np.int64))
        shape = (1, *none.shape[1:])
        return DataInfo(self.name, "image", shape, "classification", self.class_names(), official_test=True)

    def fingerprint(self, place: DataPlace) -> str:
        files = self._files(place)
        return remembered(place, "idx", files, lambda: digest_of_arrays(map(read_idx, files)))

    def load(self, place: DataPlace) -> Examples:
        files = self._files(place)
        arrays = [read_idx(file) for file in files]
        _picture_size(files, [array.shape for array in arrays])
        train, train_labels = self.put_right(arrays[0], arrays[1].astype(np.int64))
        test, test_labels = self.put_right(arrays[2], arrays[3].astype(np.int64))
        count = len(self.class_names())
        for labels, written, file in ((train_labels, arrays[1], files[1]), (test_labels, arrays[3], files[3])):
            if labels.min() < 0 or labels.max() >= count:
                told = f"labels from {written.min()} to {written.max()}"
                raise DataError(f"{file} holds {told}, which do not fit the {count} classes of {self.name}")
        targets = np.concatenate([train_labels, test_labels])
        return Examples(np.concatenate([train, test])[:, None], targets, np.arange(len(targets)) >= len(train_labels))

    def _found(self, place: DataPlace) -> list[Path] | None:
        names = self.file_names()
        complete = (files for folder in self._candidates(place) if (files := _all_files(folder, names)) is not None)
        return next((files for files in complete if self._other(files) is None), None)

    def _candidates(self, place: DataPlace) -> list[Path]:
        layout = f"{self.torchvision_name}/raw"
        names = (layout, *self.folders, *(["."] if self.in_root else []))
        within = [] if place.data is None else [place.data / name for name in names]
        return [*within, kept_downloads(place) / layout, *self.elsewhere]

    def _other(self, files: list[Path]) -> str | None:
        """The set whose files these are, if they are not this one's."""
        _, labels = idx_head(files[1], 16)
        return next((name for name, first in _FIRST_LABELS.items() if first == labels and name != self.name), None)

    def _looked(self, place: DataPlace) -> list[str]:
        return [f"{folder}{self._why_not(folder)}" for folder in self._candidates(place)]

    def _why_not(self, folder: Path) -> str:
        names = self.file_names()
        files = _all_files(folder, names)
        if files is not None:
            return f" (which holds {self._other(files)})"
        lacking = [name for name in names if _file(folder, name) is None]
        return f" (which lacks {', '.join(lacking)})" if len(lacking) < len(names) else ""

    def _wanted(self, place: DataPlace) -> str:
        data = "the data folder (`--data` or ORCH_DATA)" if place.data is None else place.data
        where = f"the folder {self.folders[0]} in {data}"
        return f"put the files {', '.join(self.file_names())} (gzipped or not) into {where}."

    def _download(self, folder: Path) -> None:
        from torchvision import datasets  # slow to import, and needed by a download alone

        getattr(datasets, self.torchvision_name)(folder, download=True)


def _picture_size(files: list[Path], shapes: list[tuple[int, ...]]) -> tuple[int, int]:
    """Height and width of a picture. Raises DataError where the arrays of the four files do not fit together."""
    for images, labels in ((0, 1), (2, 3)):
        pictures, values = shapes[images], shapes[labels]
        if len(pictures) != 3 or 0 in pictures or values != pictures[:1]:
            raise DataError(
                f"{files[images]} (shape {pictures}) and {files[labels]} (shape {values}) do not fit together: they "
                f"should be (pictures, height, width) and (pictures,); delete them and get them again"
            )
    if shapes[0][1:] != shapes[2][1:]:
        raise DataError(f"{files[0]} and {files[2]} hold pictures of different sizes")
    return shapes[0][1], shapes[0][2]


def _all_files(folder: Path, names: Sequence[str]) -> list[Path] | None:
    files = [file for name in names if (file := _file(folder, name)) is not None]
    return files if len(files) == len(names) else None


def _file(folder: Path, name: str) -> Path | None:
    # copies on the web have a dot before `idx`
    names = [spelt + end for end in ("", ".gz") for spelt in (name, name.replace("-idx", ".idx"))]
    # unlike Path.is_file, os.path.isfile passes over a folder that may not be entered
    return next((folder / spelt for spelt in names if os.path.isfile(folder / spelt)), None)  # noqa: PTH113
