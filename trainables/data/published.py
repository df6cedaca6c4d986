"""Data sets whose published files are looked for in the data folder, and downloaded where there is a network."""

import contextlib
import os
import socket
import sys
import tarfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from http.client import HTTPException
from os import W_OK, access
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from trainables.dataset import DataLocation, Dataset
from trainables.errors import DataMissing

# Downloads by torchvision, put into place only when they are whole.

_PATIENCE: Final = 15.0
"""Seconds without a byte after which a server counts as out of reach; torchvision sets no limit of its own."""


def download_folder(location: DataLocation) -> Path:
    """Return where downloads go: the data folder where it can be written, else the cache."""
    return location.data if location.data is not None and access(location.data, W_OK) else kept_downloads(location)


def kept_downloads(location: DataLocation) -> Path:
    """The cache's folder of downloads."""
    return location.cache / "downloads"


def download(name: str, target: Path, get: Callable[[Path], object], looked: Sequence[str], wanted: str) -> None:
    """Let `get` download into a folder of its own, then move the files to the same places under `target`.

    get: downloads into the folder that it is given. looked: where the files were looked for. wanted: what to put where.
    Raises DataMissing.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target, prefix=".download-") as unfinished, _quiet():
            get(Path(unfinished))
            _move(Path(unfinished), target)
    except (OSError, RuntimeError, HTTPException, EOFError, tarfile.TarError) as failed:
        why = " ".join(str(failed).split())
        raise DataMissing(
            f"{missing(name, looked)} The download failed: {why or repr(failed)} Without a network, {wanted}"
        ) from failed


def missing(name: str, looked: Sequence[str]) -> str:
    """The sentence that says what is missing and where it was looked for."""
    return f"{name} was not found; looked in {', '.join(looked)}."


def _move(source: Path, target: Path) -> None:
    for file in sorted(source.rglob("*")):
        if file.is_file():
            final = target / file.relative_to(source)
            final.parent.mkdir(parents=True, exist_ok=True)
            file.replace(final)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Standard output is data: what torchvision prints goes to standard error. Servers have to answer in time."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


class PublishedDataset(Dataset):
    """Knows where its files may lie, what to tell who has none, and how they are downloaded."""

    def fetch(self, location: DataLocation) -> None:
        if self._found(location) is None:
            target = download_folder(location)
            download(self.name, target, self._download, self._looked(location), self._wanted(location))

    def content_files(self, location: DataLocation) -> Sequence[str]:
        return [str(file) for file in self._files(location)]

    def _files(self, location: DataLocation) -> list[Path]:
        """Return all its files, in its own order. Raises DataMissing."""
        found = self._found(location)
        if found is None:
            raise DataMissing(f"{missing(self.name, self._looked(location))} To use it, {self._wanted(location)}")
        return found

    @abstractmethod
    def _found(self, location: DataLocation) -> list[Path] | None:
        """Return all its files where they lie together; None where they do not."""

    @abstractmethod
    def _looked(self, location: DataLocation) -> list[str]:
        """Return where they were looked for, in a user's words."""

    @abstractmethod
    def _wanted(self, location: DataLocation) -> str:
        """Return what a user can do to have them: a sentence that begins with a verb."""

    @abstractmethod
    def _download(self, folder: Path) -> None:
        """Put them into this folder, where `_found` looks too."""


def first_complete(candidates: Iterable[list[Path]]) -> list[Path] | None:
    """The first of these lists of files of which all are there."""
    # unlike Path.is_file, os.path.isfile passes over a folder that may not be entered
    return next((files for files in candidates if all(map(os.path.isfile, files))), None)
