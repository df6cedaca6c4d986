"""Pictures in folders named after their classes, as in ImageNet's layout and torchvision's `ImageFolder`."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from trainables.data.content import digest_of_files
from trainables.data.picture_dataset import PictureSource
from trainables.data.pictures import Picture, picture_endings
from trainables.errors import DataError, DataMissing

_POOL: Final = frozenset({"train", "val", "valid", "validation"})
_TEST: Final = "test"
_BATCH: Final = 1024


@dataclass(frozen=True, slots=True)
class _Found:
    label: str
    path: str
    name: str
    """The path within its class."""
    test: bool


class PictureFolder(PictureSource):
    """All pictures below the class folders, by split, class and name. Hidden files and folders are left out."""

    def __init__(self, root: Path) -> None:
        """Raises DataMissing where there are no classes, DataError where one is empty."""
        if not root.is_dir():
            raise DataMissing(f"{root} is not a folder; pictures are expected in one folder for each class")
        self._found = [found for folder, test in _splits(root) for found in _pictures(folder, test)]
        self.classes = _classes(root)
        index = {name: position for position, name in enumerate(self.classes)}
        self.files = [found.path for found in self._found]
        self.targets = np.array([index[found.label] for found in self._found], np.int64)
        self.official_test = np.array([found.test for found in self._found], np.bool_)
        self._check(root)

    def batches(self) -> Iterator[list[Picture]]:
        for start in range(0, len(self.files), _BATCH):
            yield [Picture(_printable(path), path) for path in self.files[start : start + _BATCH]]

    def digest(self) -> str:
        return digest_of_files(
            (f"{_TEST if found.test else ''}/{found.label}/{found.name}", found.path) for found in self._found
        )

    def _check(self, root: Path) -> None:
        if len(self.classes) < 2:
            classes = f"one class folder, {self.classes[0]}" if self.classes else "no class folders"
            raise DataMissing(
                f"{root} has {classes}; a folder with pictures is expected for each of at least two classes"
            )
        foreign = next((name for name in self.classes if _printable(name) != name), None)
        if foreign is not None:
            raise DataError(f"the name of the class folder {_printable(foreign)} in {root} is not UTF-8; rename it")
        counts = np.bincount(self.targets[~self.official_test], minlength=len(self.classes))
        empty = [name for name, count in zip(self.classes, counts, strict=True) if not count]
        if empty:
            where = "to learn from " if self.official_test.any() else ""
            raise DataError(
                f"{root} has no pictures {where}in the class folder{'s' * (len(empty) > 1)} {', '.join(empty)}; "
                f"add some (endings such as .png, .jpg, .tif) or remove the folder"
            )


def _splits(root: Path) -> list[tuple[Path, bool]]:
    """The folders that hold class folders, and whether each is the official test split.

    `train`, `val` and `test` are splits only where nothing else stands beside them and each has folders in it: they may
    be classes.
    """
    folders = _folders(root)
    names = {folder.name.lower() for folder in folders}
    if "train" in names and names <= _POOL | {_TEST} and all(_folders(folder) for folder in folders):
        return sorted(
            ((folder, folder.name.lower() == _TEST) for folder in folders), key=lambda split: (split[1], split[0])
        )
    return [(root, False)]


def _classes(root: Path) -> tuple[str, ...]:
    return tuple(sorted({folder.name for split, _ in _splits(root) for folder in _folders(split)}))


def _pictures(split: Path, test: bool) -> Iterator[_Found]:
    for folder in _folders(split):
        for path in sorted(_below(str(folder), frozenset())):
            yield _Found(folder.name, path, path.removeprefix(f"{folder}/"), test)


def _below(folder: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """All pictures in a folder and those within. `above` holds the folders on the way, so that a link back ends."""
    status = Path(folder).stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    endings = picture_endings()
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _shown(entry.name):
                continue
            if entry.is_dir():
                yield from _below(entry.path, above | {here})
            elif f".{entry.name.rpartition('.')[2].lower()}" in endings:
                yield entry.path


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if _shown(entry.name) and entry.is_dir())


def _printable(name: str) -> str:
    """The name, with escapes for bytes that are not UTF-8."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _shown(name: str) -> bool:
    # macOS leaves a folder of shadows in every archive that it packs
    return not name.startswith(".") and name != "__MACOSX"
