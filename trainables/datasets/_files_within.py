"""Files that a table names below one folder, and nothing outside of it."""

import os
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Final

from trainables.data.files import printable
from trainables.data.images import has_image_ending

_SHOWN: Final = 255
"""Of a name, in messages."""
Listing = dict[str, "os.DirEntry[str]"]


class FilesWithin:
    """Looks names up in a folder; each folder on the way is listed once."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._folders: dict[str, _Folder | str] = {}

    def find(self, name: str) -> str:
        """Return the path of an image, without links, whose ending may have been left out.

        Raises ValueError with the reason why there is none to be read: it lies elsewhere, also by way of a link, it is no
        regular file, or several are called so.
        """
        within, _, last = name.replace("\\", "/").rpartition("/")
        parent = "/" if not within and name.startswith("/") else within
        if parent not in self._folders:
            self._folders[parent] = self._folder(parent)
        folder = self._folders[parent]
        if isinstance(folder, str):
            raise ValueError(folder)
        return self._regular(folder.entry(last))

    def name_of(self, path: str) -> str:
        """Return the path within the folder of a file that was found."""
        return path.removeprefix(f"{self._root}{os.sep}")

    def unnamed(self, found: set[str]) -> list[str]:
        """Return the images beside those that were found, and not among them."""
        folders = {folder.path: folder for folder in self._folders.values() if isinstance(folder, _Folder)}
        return sorted(
            entry.path
            for folder in folders.values()
            for entry in folder.entries.values()
            if has_image_ending(entry.name) and not entry.name.startswith(".") and entry.path not in found
        )

    def _folder(self, within: str) -> "_Folder | str":
        """The folder, or why it is not read."""
        try:
            path = (self._root / within).resolve()
            if not path.is_relative_to(self._root):
                return self._outside
            return (
                _Folder(str(path))
                if path.is_dir()
                else f"there is no folder {printable(within[:_SHOWN])} in {self._root}"
            )
        except (OSError, ValueError, RuntimeError) as refused:  # a name with a NUL, of any length, or a link to itself
            return _why(refused)

    def _regular(self, entry: "os.DirEntry[str]") -> str:
        try:
            path = entry.path
            if entry.is_symlink():
                real = Path(path).resolve()
                if not real.is_relative_to(self._root):
                    raise ValueError(self._outside)
                path = str(real)
            if entry.is_file():
                return path
        except (OSError, RuntimeError) as refused:
            raise ValueError(_why(refused)) from refused
        raise ValueError("it is a link that leads to no file" if entry.is_symlink() else "it is not a regular file")

    @property
    def _outside(self) -> str:
        return f"it leads out of {self._root}, and images are read only below that"


def _why(refused: Exception) -> str:
    """The reason without the path, which may be of any length."""
    return (refused.strerror if isinstance(refused, OSError) else None) or str(refused)


class _Folder:
    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self.path = path
        with os.scandir(path) as found:
            self.entries: Listing = {entry.name: entry for entry in found}

    def entry(self, name: str) -> "os.DirEntry[str]":
        """Raises ValueError."""
        if name in self.entries:
            return self.entries[name]
        alike = self._without_ending.get(name, [])
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise ValueError(f"{self.path} has {', '.join(sorted(printable(entry.name) for entry in alike))}; name one")
        other = next((known for known in self.entries if known.lower() == name.lower()), None)
        hint = "" if other is None else f"; did you mean {printable(other)}?"
        raise ValueError(f"there is no such file in {self.path}{hint}")

    @cached_property
    def _without_ending(self) -> dict[str, list["os.DirEntry[str]"]]:
        named: dict[str, list[os.DirEntry[str]]] = defaultdict(list)
        for entry in self.entries.values():
            if has_image_ending(entry.name):
                named[entry.name.rpartition(".")[0]].append(entry)
        return named
