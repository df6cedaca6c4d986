"""Pictures that are files of their own, found below a folder."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import digest_of_files
from trainables.data.folder_layout import is_folder, is_shown
from trainables.data.group_list import listed_groups
from trainables.data.leavings import Leavings
from trainables.data.own_folders import is_own
from trainables.data.picture_dataset import PictureSource
from trainables.data.pictures import Picture, has_picture_ending, raise_broken
from trainables.data.printable import printable
from trainables.errors import BrokenPicture
from trainables.outline import LeftOut

_BATCH: Final = 1024


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that has not been read."""

    label: str
    path: str
    name: str
    """The path within its class."""
    test: bool


class FoundPictures(PictureSource):
    """In an order of the subclass's own."""

    def __init__(self, root: Path, found: Sequence[Found], leavings: Leavings) -> None:
        self._root, self._found, self._leavings = root, found, leavings
        self.files = [picture.path for picture in found]
        self.official_test = np.array([picture.test for picture in found], np.bool_)

    def batches(self) -> Iterator[list[Picture]]:
        for start in range(0, len(self.files), _BATCH):
            yield [Picture(printable(path), path) for path in self.files[start : start + _BATCH]]

    def groups(self, key: str) -> NDArray[np.int64]:
        """key: the path of a CSV file, with the paths of pictures within the folder."""
        return listed_groups(Path(key), self.names_within())

    def names_within(self) -> list[str]:
        """The path of each picture within the folder."""
        prefix = f"{self._root}{os.sep}"
        return [picture.path.removeprefix(prefix) for picture in self._found]

    def left_out(self) -> tuple[LeftOut, ...]:
        return self._leavings.all()

    def digest(self) -> str:
        try:
            return digest_of_files(
                (f"{'test' if found.test else ''}/{found.label}/{found.name}", found.path) for found in self._found
            )
        except OSError as refused:
            if refused.filename is None:
                raise
            raise BrokenPicture(printable(str(refused.filename)), refused.strerror or repr(refused)) from refused


def pictures_below(folder: Path, label: str, test: bool, leavings: Leavings) -> Iterator[Found]:
    """All, by name; what else lies there goes to the leavings. Raises BrokenPicture naming every one that is no file."""
    broken: list[BrokenPicture] = []
    for entry in sorted(_below(str(folder), frozenset(), leavings), key=lambda entry: entry.path):
        why = _why_no_file(entry)
        if why is not None:
            broken.append(BrokenPicture(printable(entry.path), why))
        yield Found(label, entry.path, entry.path.removeprefix(f"{folder}/"), test)
    raise_broken(broken)


def _why_no_file(entry: "os.DirEntry[str]") -> str | None:
    if is_folder(entry):
        return "it is a folder, with no pictures in it"
    if entry.is_symlink():
        return None if os.path.isfile(entry.path) else "it is a link that leads to no file"  # noqa: PTH113
    return None if entry.is_file() else "it is no regular file"


def _below(folder: str, above: frozenset[tuple[int, int]], leavings: Leavings) -> Iterator["os.DirEntry[str]"]:
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
            inner = is_folder(entry)
            if inner and is_own(entry.path):
                continue
            within = list(_below(entry.path, above | {here}, leavings)) if inner else []
            if within:
                yield from within
            elif has_picture_ending(entry.name):
                yield entry
            elif not inner:
                leavings.add(entry.path)
