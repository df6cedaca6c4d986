"""Digits of house numbers (Netzer et al. 2011, "Reading Digits in Natural Images ...", sec. 2)."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from trainables.data.content import digest_of_arrays, remembered
from trainables.data.download import kept_downloads
from trainables.data.house_numbers import read_house_numbers
from trainables.data.published_dataset import PublishedDataset, first_complete
from trainables.dataset import DataInfo, DataPlace, Examples


class Svhn(PublishedDataset):
    """73,257 training and 26,032 test pictures, 32 x 32, RGB, cropped around one digit (format 2).

    Read from the data folder: `train_32x32.mat` and `test_32x32.mat` (and `extra_32x32.mat`) there, in `svhn/` or
    `SVHN/`. The classes are as unequal as house numbers are.
    """

    name: ClassVar[str] = "svhn"
    licence: ClassVar[str] = "for non-commercial use, http://ufldl.stanford.edu/housenumbers/"
    classes: ClassVar[tuple[str, ...]] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

    extra: bool = False
    """Whether the 531,131 easier pictures of `extra_32x32.mat` join those to train on."""

    def info(self, place: DataPlace) -> DataInfo:
        self._files(place)
        return DataInfo(self.name, "image", (3, 32, 32), "classification", self.classes, official_test=True)

    def fingerprint(self, place: DataPlace) -> str:
        files = self._files(place)
        return remembered(
            place,
            "svhn",
            files,
            lambda: digest_of_arrays(array for file in files for array in read_house_numbers(file)),
        )

    def load(self, place: DataPlace) -> Examples:
        pictures, labels = zip(*map(read_house_numbers, self._files(place)), strict=True)
        targets = np.concatenate(labels)
        count = len(targets)
        return Examples(np.concatenate(pictures), targets, np.arange(count) >= count - len(labels[-1]))

    def _parts(self) -> tuple[str, ...]:
        return ("train", "extra", "test") if self.extra else ("train", "test")

    def _found(self, place: DataPlace) -> list[Path] | None:
        candidates = ([folder / _file(part) for part in self._parts()] for folder in _candidates(place))
        return first_complete(candidates)

    def _looked(self, place: DataPlace) -> list[str]:
        return [str(folder) for folder in _candidates(place)]

    def _wanted(self, place: DataPlace) -> str:
        where = "the data folder (`--data` or ORCH_DATA)" if place.data is None else place.data
        return f"put {' and '.join(map(_file, self._parts()))} into the folder svhn in {where}."

    def _download(self, folder: Path) -> None:
        from torchvision.datasets import SVHN  # slow to import, and needed by a download alone
        from torchvision.datasets.utils import download_url

        for part in self._parts():
            address, file, digest = SVHN.split_list[part]
            download_url(address, folder / self.name, file, digest)


def _file(part: str) -> str:
    return f"{part}_32x32.mat"


def _candidates(place: DataPlace) -> list[Path]:
    roots = [] if place.data is None else [place.data, place.data / "svhn", place.data / "SVHN"]
    return [*roots, kept_downloads(place) / "svhn"]
