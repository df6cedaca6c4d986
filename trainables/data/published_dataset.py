"""Data sets whose published files are looked for in the data folder, and downloaded where there is a network."""

import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

from trainables.data.download import download, download_folder, missing
from trainables.dataset import DataPlace, Dataset
from trainables.errors import DataMissing


class PublishedDataset(Dataset):
    """Knows where its files may lie, what to tell who has none, and how they are downloaded."""

    def fetch(self, place: DataPlace) -> None:
        if self._found(place) is None:
            target = download_folder(place)
            download(self.name, target, self._download, self._looked(place), self._wanted(place))

    def content_files(self, place: DataPlace) -> Sequence[str]:
        return [str(file) for file in self._files(place)]

    def _files(self, place: DataPlace) -> list[Path]:
        """All its files, in its own order. Raises DataMissing."""
        found = self._found(place)
        if found is None:
            raise DataMissing(f"{missing(self.name, self._looked(place))} To use it, {self._wanted(place)}")
        return found

    @abstractmethod
    def _found(self, place: DataPlace) -> list[Path] | None:
        """All its files where they lie together; None where they do not."""

    @abstractmethod
    def _looked(self, place: DataPlace) -> list[str]:
        """Where they were looked for, in a user's words."""

    @abstractmethod
    def _wanted(self, place: DataPlace) -> str:
        """What a user can do to have them: a sentence that begins with a verb."""

    @abstractmethod
    def _download(self, folder: Path) -> None:
        """Put them into this folder, where `_found` looks too."""


def first_complete(candidates: Iterable[list[Path]]) -> list[Path] | None:
    """The first of these lists of files of which all are there."""
    # unlike Path.is_file, os.path.isfile passes over a folder that may not be entered
    return next((files for files in candidates if all(map(os.path.isfile, files))), None)
