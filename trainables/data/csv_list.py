"""A CSV file with a line for each image: its path, and what is to be known of it."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.files import open_regular, printable
from trainables.errors import UnfitOption

_PATH: Final = "path"
GROUP: Final = "group"
"""The column of who belongs together."""
_SEPARATORS: Final = ",;\t|"
_NAMED: Final = 3
"""How many images without a line an error names."""


def separator(first: str) -> str:
    """What divides the first line of a CSV file into most columns; of equals a comma before a semicolon, a tab and `|`."""
    return max(_SEPARATORS, key=lambda sign: len(next(csv.reader([first], delimiter=sign), ())))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a line says of an image."""

    value: str
    line: int


def listed(file: Path, option: str, column: str, images: Sequence[str]) -> list[Entry]:
    """Return what the file says of each image. Lines of other images are left out.

    option: the data set's, whose file it is. column: what the first line calls what is wanted. images: paths as the file
    writes them, within the data set's folder. Raises UnfitOption where the file cannot be read, says two things of one
    image, or leaves one out.
    """
    entries = _read(file, option, column)
    lacking = [name for name in images if name not in entries]
    if lacking:
        named = ", ".join(printable(name) for name in lacking[:_NAMED])
        raise UnfitOption(
            option,
            f"{file} names no {column} for {len(lacking)} of {len(images)} images, such as {named}; add a line for "
            f"each, with its path within the data set's folder",
        )
    return [entries[name] for name in images]


def listed_columns(file: Path, option: str) -> list[str]:
    """Return what the first line calls what the file says of images. Raises UnfitOption where it cannot be read."""
    with _opened(file, option) as rows:
        return [name for name in rows.fieldnames or () if name and name != _PATH]


def listed_cells(file: Path, option: str, column: str, images: Sequence[str]) -> list[str | None]:
    """Return what a column says of each image, None where it says nothing. Raises UnfitOption, as `listed` does."""
    entries = _read(file, option, column)
    return [entries[name].value if name in entries else None for name in images]


@contextmanager
def _opened(file: Path, option: str) -> Iterator["csv.DictReader[str]"]:
    try:
        with (
            open_regular(file) as opened,
            TextIOWrapper(opened, newline="", encoding="utf-8-sig", errors="surrogateescape") as lines,
        ):
            first = lines.readline()
            yield csv.DictReader(chain([first], lines), delimiter=separator(first))
    except (OSError, csv.Error) as refused:
        raise UnfitOption(option, f"cannot read {file}: {refused}") from refused


def _read(file: Path, option: str, column: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    with _opened(file, option) as rows:
        missing = [name for name in (_PATH, column) if name not in (rows.fieldnames or ())]
        if missing:
            raise UnfitOption(
                option, f"the first line of {file} lacks {' and '.join(missing)}: it has to be {_PATH},{column}"
            )
        for row in rows:
            path = (row[_PATH] or "").strip().replace("\\", "/").removeprefix("./")
            value = (row[column] or "").strip()
            known = entries.setdefault(path, Entry(value, rows.line_num))
            if known.value != value:
                raise UnfitOption(option, f"{file} gives {printable(path)} two {column}s, {known.value} and {value}")
    return {path: entry for path, entry in entries.items() if entry.value}


# Numbers to predict, as a user's files hold them.

_NUMBERS_NAMED: Final = 3
"""How many rows without a number an error names."""


def fit_numbers(values: NDArray[np.float64], where: Callable[[int], str], what: str) -> NDArray[np.float32]:
    """(examples, 1), as trials read them. Raises UnfitOption where one is missing or no finite number, or all are equal.

    values: (examples,), NaN where there is none. where: names an example's place; what: the column.
    """
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    unfit = np.flatnonzero(~np.isfinite(numbers))
    if len(unfit):
        named = ", ".join(f"{where(int(index))} ({_shown(values[index])})" for index in unfit[:_NUMBERS_NAMED])
        raise UnfitOption(
            "target",
            f"{what} has no finite number for {len(unfit)} of {len(values)} images: {named}; give each one",
        )
    if len(values) and (numbers == numbers[0]).all():
        raise UnfitOption("target", f"{what} is {numbers[0]:g} for all images, so that there is nothing to learn")
    return numbers[:, None]


def _shown(value: np.float64) -> str:
    if np.isnan(value):
        return "missing, or NaN"
    return f"{value:g}" if np.isinf(value) else f"{value:g}, beyond 32 bits"


# A CSV file with a number to predict for each image: `path,target`.


def listed_numbers(file: Path, images: Sequence[str]) -> NDArray[np.float32]:
    """The number of each image, (images, 1). Raises UnfitOption, as `listed` does, and where one is no number."""
    entries = listed(file, "target", "target", images)
    values = np.empty(len(entries))
    for index, entry in enumerate(entries):
        try:
            values[index] = float(entry.value)
        except ValueError:
            raise UnfitOption("target", f"{file}:{entry.line}: {entry.value!r} is not a number") from None
    return fit_numbers(values, lambda index: f"line {entries[index].line}", f"the column target of {file}")
