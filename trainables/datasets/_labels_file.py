"""A CSV file with a line for each image: its file, its class or number, and what it belongs to."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Final

from trainables.data.csv_list import separator
from trainables.data.files import open_regular, printable
from trainables.errors import DataError, UnfitOption, alike, meant

_LONGEST: Final = 1 << 20
"""Signs of a line; who has more has taken another file, or hopes to fill the memory."""
_FOREIGN: Final = re.compile("[\ud800-\udfff]")
"""What bytes become that are no UTF-8."""
_OTHER_FILES: Final = {
    b"\xff\xfe": "is UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)",
    b"\xfe\xff": "is UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)",
    b"PK\x03\x04": "is a workbook or an archive; save the sheet as CSV (UTF-8)",
    b"PAR1": "is a Parquet file; read it with `image_parquet`, or save it as CSV",
    b"\x1f\x8b": "is compressed; unpack it",
}
USUAL: Final[Mapping[str, Sequence[str]]] = {
    "image": (
        *("image", "path", "file", "filename", "file_name", "filepath", "file_path", "image_path", "image_file"),
        *("image_name", "img", "image_id", "id_code", "id"),
    ),
    "label": ("label", "class", "labels", "class_name", "category"),
    "group": ("group",),
    "split": ("split",),
}
"""What columns are called, by the option that names another, the first that is there; compared without case."""
_NEEDED: Final = ("image", "label")


@dataclass(frozen=True, slots=True)
class Line:
    """A line, by the options that name its columns."""

    number: int
    """Of its first line in the file, from 1."""
    cells: Mapping[str, str]


def header(file: Path) -> list[str]:
    """Return the names of all columns. Raises DataError."""
    _, first = next(_rows(file))
    return [name.strip() for name in first]


def column_names(file: Path, given: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the column that each option of a data set means; where it is not given the usual one, or None without such.

    `target` stands in for `label`; of two columns the first is the image's, unless their names say otherwise. Raises
    UnfitOption for columns that are not there, DataError.
    """
    names = header(file)
    found: dict[str, str | None] = {"target": given["target"]}
    for option, usual in USUAL.items():
        found[option] = given[option] or _usual(usual, names, [name for name in given.values() if name])
    if found["target"] is not None:
        if given["label"] is not None:
            raise UnfitOption("target", "label and target are both given; give the one that is to be learnt")
        found["label"] = None
    elif len(names) == len(set(names)) == 2:
        _fill(found, names)
    for option, name in found.items():
        if name is not None and names.count(name) != 1:
            times = "no" if name not in names else "more than one"
            hint = meant([] if name in names else alike(name, names), f"it has {_listed(names)}")
            raise UnfitOption(option, f"{file}:1: there is {times} column {printable(name)}; {hint}")
        if name is None and option in _NEEDED and not (option == "label" and found["target"]):
            raise UnfitOption(option, f"{file}:1: {_lacking(option, names)}")
    return found


def _fill(found: dict[str, str | None], names: Sequence[str]) -> None:
    """What two columns are of which at most one is called as usual, and no line looks like an image's."""
    image, label = found["image"], found["label"]
    left = [name for name in names if name not in found.values()]
    if image is None and left and not _looks_like_a_line(names):
        found["image"] = left.pop(0)
    if label is None and left:
        found["label"] = left.pop(0)


def _usual(usual: Sequence[str], names: Sequence[str], taken: Sequence[str]) -> str | None:
    free = {name.lower(): name for name in reversed(names) if name not in taken}
    return next((free[name] for name in usual if name in free), None)


def _lacking(option: str, names: Sequence[str]) -> str:
    if _looks_like_a_line(names):
        return f"the first line has to name the columns, as in `image,label`; it is {_listed(names)}"
    usual = ", ".join(USUAL[option][:4])
    return f"no column is called as {option}s are ({usual}, ...); it has {_listed(names)}: name one, `{option}: COLUMN`"


def _looks_like_a_line(names: Sequence[str]) -> bool:
    return any("." in name and name.rpartition(".")[2].isalnum() for name in names)


def _listed(names: Sequence[str], most: int = 12) -> str:
    listed = ", ".join(printable(name[:40]) for name in names[:most])
    return f"{listed} and {len(names) - most} more" if len(names) > most else listed


def lines(file: Path, columns: Mapping[str, str]) -> Iterator[Line | DataError]:
    """Yield each line with the cells of these columns, by option; or what is wrong with it. Empty ones are passed over.

    columns: as `column_names` gives them, those that are there. Raises DataError where what follows cannot be read.
    """
    rows = _rows(file)
    _, first = next(rows)
    names = [name.strip() for name in first]
    places = {option: names.index(name) for option, name in columns.items()}
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(names):
            yield DataError(f"{file}:{number}: {len(row)} cells, and the first line names {len(names)} columns")
            continue
        yield Line(number, {option: row[place].strip() for option, place in places.items()})


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of its first line and the cells of each row, that of the columns first. Raises DataError."""
    try:
        with open_regular(file) as opened:
            _refuse_other_files(file, opened.peek(4)[:4])
            with TextIOWrapper(opened, newline="", encoding="utf-8-sig", errors="surrogateescape") as text:
                yield from _parsed(file, _text_lines(file, text))
    except OSError as refused:
        raise DataError(f"cannot read {file}: {refused.strerror or refused}") from refused


def _refuse_other_files(file: Path, start: bytes) -> None:
    other = next((why for mark, why in _OTHER_FILES.items() if start.startswith(mark)), None)
    if other is not None:
        raise DataError(f"{file} {other}")


def _parsed(file: Path, text: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    first = next(text, "")
    if not first.strip():
        raise DataError(f"{file}:1: the first line has to name the columns, as in `image,label`; it is empty")
    reader = csv.reader(chain([first], text), delimiter=separator(first), strict=True)
    number = 1
    try:
        for row in reader:
            yield number, row
            number = reader.line_num + 1
    except csv.Error as damage:
        hint = "; a quotation mark may be missing" if reader.line_num > number or "limit" in str(damage) else ""
        raise DataError(f"{file}:{number}: it is not a line of a CSV file: {damage}{hint}") from damage


def _text_lines(file: Path, text: TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST:
            raise DataError(f"{file}:{number}: the line has more than {_LONGEST:,} signs; is this the CSV file?")
        if foreign := _FOREIGN.search(line):
            byte = ord(foreign.group()) - 0xDC00
            raise DataError(
                f"{file}:{number}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)"
            )
        if "\0" in line:
            raise DataError(f"{file}:{number}: it contains a NUL, which text never does; save the file as UTF-8")
        yield line
