"""A CSV file that says which pictures belong together: `path,group`, a line for each picture."""

import csv
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.printable import printable
from trainables.errors import UnfitOption
from trainables.regular_file import open_regular

_COLUMNS: Final = ("path", "group")
_NAMED: Final = 3
"""How many pictures without a group an error names."""


def listed_groups(file: Path, pictures: Sequence[str]) -> NDArray[np.int64]:
    """The group of each picture, numbered from 0. Lines of other pictures are left out.

    pictures: paths as the file writes them, within the data set's folder. Raises UnfitOption where the file cannot be
    read, names a picture twice with different groups, or leaves one out.
    """
    group_of = _read(file)
    lacking = [name for name in pictures if not group_of.get(name)]
    if lacking:
        named = ", ".join(printable(name) for name in lacking[:_NAMED])
        raise UnfitOption(
            "groups",
            f"{file} names no group for {len(lacking)} of {len(pictures)} pictures, such as {named}; add a line for "
            f"each, with its path within the data set's folder",
        )
    _, numbers = np.unique([group_of[name] for name in pictures], return_inverse=True)
    return numbers.astype(np.int64)


def _read(file: Path) -> dict[str, str]:
    try:
        with (
            open_regular(file) as opened,
            TextIOWrapper(opened, newline="", encoding="utf-8-sig", errors="surrogateescape") as lines,
        ):
            rows = csv.DictReader(lines)
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise UnfitOption(
                    "groups", f"the first line of {file} lacks {' and '.join(missing)}: it has to be path,group"
                )
            group_of: dict[str, str] = {}
            for row in rows:
                path, group = (
                    (row["path"] or "").strip().replace("\\", "/").removeprefix("./"),
                    (row["group"] or "").strip(),
                )
                if group_of.setdefault(path, group) != group:
                    raise UnfitOption(
                        "groups", f"{file} puts {printable(path)} into two groups, {group_of[path]} and {group}"
                    )
            return group_of
    except (OSError, csv.Error) as refused:
        raise UnfitOption("groups", f"cannot read {file}: {refused}") from refused
