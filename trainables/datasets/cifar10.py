"""Small colour photographs (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images", ch. 3)."""

import os
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from trainables.data.cifar_batches import Batch, read_binary, read_pickled
from trainables.data.content import digest_of_arrays, remembered
from trainables.data.download import download, download_folder, kept_downloads, missing
from trainables.dataset import DataInfo, DataPlace, Dataset, Examples
from trainables.errors import DataError, DataMissing

_PICKLED: Final = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""MD5 of each published file."""
_LAYOUTS: Final = {
    "cifar-10-batches-py": tuple(_PICKLED),
    "cifar-10-batches-bin": tuple(f"{name}.bin" for name in _PICKLED),
}
"""The files in each published folder, the test batch last."""


class Cifar10(Dataset):
    """50,000 training and 10,000 test pictures, 32 x 32, RGB.

    Read from the data folder: `cifar-10-batches-py/` (torchvision's) or `cifar-10-batches-bin/`, there, in `cifar10/`
    or the data folder itself. Only the published files are read; other copies are for `image_parquet`, `image_folder`.
    """

    name: ClassVar[str] = "cifar10"
    licence: ClassVar[str] = "none stated, https://www.cs.toronto.edu/~kriz/cifar.html"
    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    def fetch(self, place: DataPlace) -> None:
        if _found(place) is None:
            download(self.name, download_folder(place), _download, _looked(place), _wanted(place))

    def info(self, place: DataPlace) -> DataInfo:
        _files(place)
        return DataInfo(self.name, "image", (3, 32, 32), "classification", self.classes, official_test=True)

    def fingerprint(self, place: DataPlace) -> str:
        files = _files(place)
        return remembered(
            place, "cifar10", files, lambda: digest_of_arrays(array for file in files for array in _read(file))
        )

    def load(self, place: DataPlace) -> Examples:
        pictures, labels = zip(*map(_read, _files(place)), strict=True)
        targets = np.concatenate(labels)
        if targets.min() < 0 or targets.max() >= len(self.classes):
            raise DataError(f"{_files(place)[0].parent} holds the label {targets.max()}; {self.name} has 10 classes")
        count = len(targets)
        return Examples(np.concatenate(pictures), targets, np.arange(count) >= count - len(labels[-1]))


def _read(path: Path) -> Batch:
    return read_binary(path) if path.suffix == ".bin" else read_pickled(path, _PICKLED[path.name])


def _files(place: DataPlace) -> list[Path]:
    found = _found(place)
    if found is None:
        raise DataMissing(f"{missing(Cifar10.name, _looked(place))} To use it, {_wanted(place)}")
    return found


def _found(place: DataPlace) -> list[Path] | None:
    candidates = ([folder / name for name in names] for folder, names in _candidates(place))
    # unlike Path.is_file, os.path.isfile passes over a folder that may not be entered
    return next((files for files in candidates if all(map(os.path.isfile, files))), None)


def _candidates(place: DataPlace) -> list[tuple[Path, tuple[str, ...]]]:
    roots = [] if place.data is None else [place.data, place.data / Cifar10.name]
    roots.append(kept_downloads(place))
    within = [(root / layout, names) for root in roots for layout, names in _LAYOUTS.items()]
    flat = [] if place.data is None else [(place.data, names) for names in _LAYOUTS.values()]
    return [*within, *flat]


def _looked(place: DataPlace) -> list[str]:
    return list(dict.fromkeys(str(folder) for folder, _ in _candidates(place)))


def _wanted(place: DataPlace) -> str:
    where = "the data folder (`--data` or ORCH_DATA)" if place.data is None else place.data
    return f"unpack cifar-10-python.tar.gz or cifar-10-binary.tar.gz into {where}."


def _download(folder: Path) -> None:
    from torchvision.datasets import CIFAR10  # slow to import, and needed by a download alone

    CIFAR10(folder, download=True)
    (folder / "cifar-10-python.tar.gz").unlink()
