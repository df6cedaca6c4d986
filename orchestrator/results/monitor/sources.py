"""Where the pictures come from: a folder, a Parquet file, or paths on standard input. None of them is held as a whole."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from orchestrator.errors import UserError
from orchestrator.results.predicted import ImageFile, image_files
from orchestrator.text import masked
from trainables.data.files import printable, read_regular
from trainables.data.images import EncodedImage
from trainables.errors import DataError

if TYPE_CHECKING:
    from trainables.monitoring.window import Picture

STDIN: Final = "-"
_PARQUET: Final = b"PAR1"
_LONGEST: Final = 1 << 16
"""Bytes of a line: no path is longer."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Of a Parquet file; None where the usual ones are meant."""

    image: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures in the order in which they come."""

    shown: str
    """What it is called, on one line."""
    pictures: "Iterator[Picture]"
    labelled: bool
    note: str | None = None
    """What a user should know of it beforehand."""


def open_source(images: Path, columns: Columns, classes: Sequence[str], stdin: BinaryIO | None) -> Source:
    """images: `-` for paths on `stdin`. Raises UserError where it is nothing to read pictures from, or holds none."""
    shown = masked(printable(str(images)))
    if str(images) == STDIN:
        _refuse_columns(columns, "standard input")
        if stdin is None:
            raise UserError("standard input is closed; `-` reads paths of images from it, one a line")
        return Source(shown, _of_paths(stdin), labelled=False)
    try:
        if images.is_dir():
            _refuse_columns(columns, "a folder")
            return Source(shown, _of_folder(images, shown), labelled=False)
        is_table = read_regular(images, len(_PARQUET)) == _PARQUET
    except (OSError, ValueError) as refused:
        raise UserError(f"{shown} cannot be read: {getattr(refused, 'strerror', None) or refused}") from refused
    if not is_table:
        raise UserError(f"{shown} is neither a folder nor a Parquet file; paths of single images come in with `-`")
    return _of_table(images, shown, columns, classes)


def _refuse_columns(columns: Columns, what: str) -> None:
    if columns != Columns(None, None):
        raise UserError(f"--image and --label name columns of a Parquet file, and the pictures come from {what}")


def _of_table(path: Path, shown: str, columns: Columns, classes: Sequence[str]) -> Source:
    from trainables.monitoring.table import PictureTable

    try:
        table = PictureTable.of(path, classes, columns.image or "image", columns.label)
    except DataError as unfit:
        hint = "; --image names the column of images" if columns.image is None and "'image'" in str(unfit) else ""
        raise UserError(f"{unfit}{hint}") from unfit
    return Source(shown, table.pictures(), labelled=table.label is not None, note=table.note)


def _of_folder(folder: Path, shown: str) -> "Iterator[Picture]":
    files = image_files([folder])
    first = next(files)
    if first.path == folder:  # it is told of in place of images
        tables = any(folder.glob("*.parquet"))
        hint = ", and Parquet files lie in it: give one of them" if tables else ""
        raise UserError(f"{shown}: {first.unread}{hint}")
    return map(_of_file, chain([first], files))


def _of_paths(stdin: BinaryIO) -> "Iterator[Picture]":
    while line := stdin.readline(_LONGEST):
        if len(line) == _LONGEST and not line.endswith(b"\n"):
            while (rest := stdin.readline(_LONGEST)) and not rest.endswith(b"\n"):
                pass
            yield _of_file(ImageFile(Path(os.fsdecode(line[:40])), "the line is longer than any path"))
            continue
        path = line.rstrip(b"\r\n")
        if b"\0" in path:
            yield _of_file(ImageFile(Path(os.fsdecode(path.replace(b"\0", b"?"))), "no file can have such a name"))
        elif path.strip():
            yield _of_file(ImageFile(Path(os.fsdecode(path))))


def _of_file(file: ImageFile) -> "Picture":
    from trainables.monitoring.window import Picture

    name = masked(file.shown)
    return Picture(name, EncodedImage(name, str(file.path)) if file.unread is None else None, file.unread)
