"""Where the Parquet files of a data set lie: in one folder, in folders called as splits, or in those of Hive's layout."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from results_schema import TABLES
from trainables.data.folder_layout import shown_folders
from trainables.data.leavings import Leavings
from trainables.data.own_folders import is_results
from trainables.data.printable import printable
from trainables.errors import DataMissing

ENDING: Final = ".parquet"
_TEST_NAME: Final = re.compile(r"(partial-)?test(ing)?([^a-z].*)?", re.IGNORECASE | re.DOTALL)
"""Hubs split large tables: test-00000-of-00003.parquet. Their converter calls the part of a large split partial-test."""
_POOL_NAME: Final = re.compile(r"(partial-)?(train(ing)?|val(id(ation)?)?)([^a-z].*)?", re.IGNORECASE | re.DOTALL)
_SPLIT_KEY: Final = "split"
_OWN: Final = frozenset(f"{table.name}{ENDING}" for table in TABLES)
"""Tables of a sweep, should its results lie in the same folder."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file whose rows are examples."""

    path: Path
    name: str
    """Its path within the data set."""
    test: bool
    """Whether its rows are the official test split."""
    columns: Mapping[str, str]
    """What the names of its folders say of every row, `label=owl`."""


def table_files(root: Path, leavings: Leavings) -> list[TableFile]:
    """All files, those of the official test split last. Raises DataMissing, and OSError.

    A file, else the nearest folder on the way, that is called `test` makes the test split. Where a folder holds files
    itself, of the folders in it those alone are read that are called as splits or as Hive calls them. What else bears the
    ending, such as half a download, goes to the leavings.
    """
    if root.is_file():
        return [TableFile(root, root.name, False, {})]
    files = sorted(_below(root, root, False, {}, frozenset(), leavings), key=lambda file: (file.test, file.path))
    if not files:
        raise DataMissing(f"{root} holds no {ENDING} file; give a Parquet file, or a folder with some")
    if files[0].test:
        names = ", ".join(printable(file.name) for file in files)
        raise DataMissing(
            f"{root} holds {names} and nothing to learn from; add a train{ENDING}, or give the path of one file, whose "
            f"rows are then divided as the protocol says"
        )
    return files


def _below(
    root: Path,
    folder: Path,
    test: bool,
    columns: Mapping[str, str],
    above: frozenset[tuple[int, int]],
    leavings: Leavings,
) -> Iterator[TableFile]:
    """test, columns: what the folders on the way say. above: those folders, so that a link back ends."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    tables = _tables(folder)
    for path in _half_tables(folder):
        leavings.add(str(path))
    for path in tables:
        yield TableFile(path, str(path.relative_to(root)), _is_test(path.stem, test), columns)
    within = shown_folders(folder)
    named = [name for name in within if _says_something(name.name)]
    found: dict[str, list[TableFile]] = {}
    read = named if tables or named else within
    for path in (path for beside in within if beside not in read for path in sorted(beside.rglob(f"*{ENDING}"))):
        leavings.add(str(path), "in a folder beside")
    for inner in read:
        key, equals, value = inner.name.partition("=")
        said = {**columns, key: unquote(value)} if equals else columns
        is_split = not equals or key.lower() == _SPLIT_KEY
        inner_test = _is_test(value if equals else inner.name, test) if is_split else test
        if files := list(_below(root, inner, inner_test, said, above | {here}, leavings)):
            found[inner.name] = files
    if not named and len(found) > 1:
        raise DataMissing(
            f"{folder} holds several data sets, {', '.join(map(printable, sorted(found)))}; give the path of one of them"
        )
    for files in found.values():
        yield from files


def _tables(folder: Path) -> list[Path]:
    own = _OWN if is_results(folder) else frozenset()
    return sorted(path for path in folder.iterdir() if _is_table(path) and path.name not in own)


def _half_tables(folder: Path) -> list[Path]:
    """As a browser leaves them: train.parquet.part, train.parquet.crdownload."""
    return sorted(path for path in folder.iterdir() if f"{ENDING}." in path.name.lower() and path.is_file())


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ENDING and not path.name.startswith(".") and path.is_file()


def _is_test(name: str, otherwise: bool) -> bool:
    if _TEST_NAME.fullmatch(name):
        return True
    return otherwise and not _POOL_NAME.fullmatch(name)


def _says_something(name: str) -> bool:
    """Whether a folder is called as a split, or as a value of a column."""
    key, equals, _ = name.partition("=")
    return bool(key) if equals else bool(_TEST_NAME.fullmatch(name) or _POOL_NAME.fullmatch(name))
