"""A CSV file with a line for each picture: its path, and what is to be known of it."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from trainables.data.printable import printable
from trainables.errors import UnfitOption
from trainables.regular_file import open_regular

_PATH: Final = "path"
_NAMED: Final = 3
"""How many pictures without a line an error names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a line says of a picture."""

    value: str
    line: int


def listed(file: Path, option: str, column: str, pictures: Sequence[str]) -> list[Entry]:
    """What the file says of each picture. Lines of other pictures are left out.

    option: the data set's, whose file it is. column: what the first line calls what is wanted. pictures: paths as the file
    writes them, within the data set's folder. Raises UnfitOption where the file cannot be read, says two things of one
    picture, or leaves one out.
    """
    entries = _read(file, option, column)
    lacking = [name for name in pictures if name not in entries]
    if lacking:
        named = ", ".join(printable(name) for name in lacking[:_NAMED])
        raise UnfitOption(
            option,
            f"{file} names no {column} for {len(lacking)} of {len(pictures)} pictures, such as {named}; add a line for "
            f"each, with its path within the data set's folder",
        )
    return [entries[name] for name in pictures]


def _read(file: Path, option: str, column: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    try:
        with (
            open_regular(file) as opened,
            TextIOWrapper(opened, newline="", encoding="utf-8-sig", errors="surrogateescape") as lines,
        ):
            rows = csv.DictReader(lines)
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
                    raise UnfitOption(
                        option, f"{file} gives {printable(path)} two {column}s, {known.value} and {value}"
                    )
    except (OSError, csv.Error) as refused:
        raise UnfitOption(option, f"cannot read {file}: {refused}") from refused
    return {path: entry for path, entry in entries.items() if entry.value}
