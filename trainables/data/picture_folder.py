"""Pictures in folders named after their classes, as in ImageNet's layout and torchvision's `ImageFolder`."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.checks import same_names
from trainables.data.content import digest_of_files
from trainables.data.folder_layout import SplitFolder, is_folder, is_shown, shown_folders, split_folders
from trainables.data.group_list import listed_groups
from trainables.data.own_folders import is_own
from trainables.data.picture_dataset import PictureSource
from trainables.data.pictures import Picture, has_picture_ending, raise_broken
from trainables.data.printable import printable
from trainables.errors import BrokenPicture, DataError, DataMissing

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

    def __init__(self, root: Path, layout: Callable[[Path], list[SplitFolder]] = split_folders) -> None:
        """layout: where the class folders lie, the test split last.

        Raises DataMissing where there are no classes, DataError where one is empty, BrokenPicture, OSError.
        """
        if not root.is_dir():
            raise DataMissing(f"{root} is not a folder; pictures are expected in one folder for each class")
        splits = layout(root)
        self._root = root
        self.classes = tuple(sorted({folder.name for split in splits for folder in shown_folders(split.path)}))
        check_class_names(self.classes, root)
        self._found = [found for split in splits for found in _pictures(split)]
        index = {name: position for position, name in enumerate(self.classes)}
        self.files = [found.path for found in self._found]
        self.targets = np.array([index[found.label] for found in self._found], np.int64)
        self.official_test = np.array([found.test for found in self._found], np.bool_)
        self._check_counts(root)

    def batches(self) -> Iterator[list[Picture]]:
        for start in range(0, len(self.files), _BATCH):
            yield [Picture(printable(path), path) for path in self.files[start : start + _BATCH]]

    def groups(self, key: str) -> NDArray[np.int64]:
        """key: the path of a CSV file, with the paths of pictures within the folder."""
        prefix = f"{self._root}{os.sep}"
        return listed_groups(Path(key), [found.path.removeprefix(prefix) for found in self._found])

    def digest(self) -> str:
        try:
            return digest_of_files(
                (f"{'test' if found.test else ''}/{found.label}/{found.name}", found.path) for found in self._found
            )
        except OSError as refused:
            if refused.filename is None:
                raise
            raise BrokenPicture(printable(str(refused.filename)), refused.strerror or repr(refused)) from refused

    def _check_counts(self, root: Path) -> None:
        counts = np.bincount(self.targets[~self.official_test], minlength=len(self.classes))
        empty = [printable(name) for name, count in zip(self.classes, counts, strict=True) if not count]
        if empty:
            where = "to learn from " if self.official_test.any() else ""
            raise DataError(
                f"{root} has no pictures {where}in the class folder{'s' * (len(empty) > 1)} {', '.join(empty)}; "
                f"add some (endings such as .png, .jpg, .tif) or remove the folder"
            )


def check_class_names(classes: tuple[str, ...], root: Path) -> None:
    """Raises DataMissing where there are not two classes, DataError where a name is not text, or two look the same."""
    foreign = next((name for name in classes if not _is_utf8(name)), None)
    if foreign is not None:
        raise DataError(f"the name of the class folder {printable(foreign)} in {root} is not UTF-8; rename it")
    if twice := same_names(classes):
        raise DataError(
            f"{root} has two class folders called {printable(twice[0])}, which differ in spaces or in how Unicode spells a "
            f"letter alone; give both one name where they are one class, or other names"
        )
    if len(classes) < 2:
        found = f"one class folder, {printable(classes[0])}" if classes else "no class folders"
        raise DataMissing(
            f"{root} has {found}; a folder with pictures is expected for each of at least two classes{_deeper(root)}"
        )


def _pictures(split: SplitFolder) -> Iterator[_Found]:
    """Those of all classes. Raises BrokenPicture naming every one that is no file."""
    broken: list[BrokenPicture] = []
    for folder in shown_folders(split.path):
        for entry in sorted(_below(str(folder), frozenset()), key=lambda entry: entry.path):
            why = _why_no_file(entry)
            if why is not None:
                broken.append(BrokenPicture(printable(entry.path), why))
            yield _Found(folder.name, entry.path, entry.path.removeprefix(f"{folder}/"), split.test)
    raise_broken(broken)


def _is_utf8(name: str) -> bool:
    # other bytes of a file's name are kept as lone surrogates
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def _why_no_file(entry: "os.DirEntry[str]") -> str | None:
    if is_folder(entry):
        return "it is a folder, with no pictures in it"
    if entry.is_symlink():
        return None if os.path.isfile(entry.path) else "it is a link that leads to no file"  # noqa: PTH113
    return None if entry.is_file() else "it is no regular file"


def _below(folder: str, above: frozenset[tuple[int, int]]) -> Iterator["os.DirEntry[str]"]:
    """Whatever is called as pictures are, in a folder and those within, a folder only where it holds none.

    above: the folders on the way, so that a link back ends.
    """
    status = Path(folder).stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_shown(entry.name):
                continue
            if is_folder(entry) and is_own(entry.path):
                continue
            within = list(_below(entry.path, above | {here})) if is_folder(entry) else []
            if within:
                yield from within
            elif has_picture_ending(entry.name):
                yield entry


def _deeper(root: Path) -> str:
    """A hint where an archive was unpacked into a folder of its own."""
    only = shown_folders(root)
    within = shown_folders(only[0]) if len(only) == 1 else []
    names = ", ".join(printable(folder.name) for folder in within[:3])
    return f"; {only[0].name} holds folders ({names}, ...): did you mean the path of {only[0].name}?" if within else ""
