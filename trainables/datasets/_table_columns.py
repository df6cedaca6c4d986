"""Columns of Parquet files that say something of each image: labels, groups, numbers to predict."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trainables.data.csv_list import fit_numbers
from trainables.data.files import printable
from trainables.data.image_folders import shown_folders
from trainables.data.own_folders import SkippedFiles, is_results
from trainables.errors import DataError, DataMissing, UnfitOption

# Where the Parquet files of a data set lie: in one folder, in folders called as splits, or in those of Hive's
# layout.

ENDING: Final = ".parquet"
_TEST_NAME: Final = re.compile(r"(partial-)?test(ing)?([^a-z].*)?", re.IGNORECASE | re.DOTALL)
"""Hubs split large tables: test-00000-of-00003.parquet. Their converter calls the part of a large split partial-test."""
_POOL_NAME: Final = re.compile(r"(partial-)?(train(ing)?|val(id(ation)?)?)([^a-z].*)?", re.IGNORECASE | re.DOTALL)
_SPLIT_KEY: Final = "split"
_OWN: Final = b"results_version"
"""In the metadata of a sweep's tables, should its results lie in the same folder."""


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


def table_files(root: Path, skipped: SkippedFiles) -> list[TableFile]:
    """Return all files, those of the official test split last. Raises DataMissing, and OSError.

    A file, else the nearest folder on the way, that is called `test` makes the test split. Where a folder holds files
    itself, of the folders in it those alone are read that are called as splits or as Hive calls them. What else bears the
    ending, such as half a download, goes to the skipped files.
    """
    if root.is_file():
        return [TableFile(root, root.name, False, {})]
    files = sorted(_below(root, root, False, {}, frozenset(), skipped), key=lambda file: (file.test, file.path))
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
    skipped: SkippedFiles,
) -> Iterator[TableFile]:
    """test, columns: what the folders on the way say. above: those folders, so that a link back ends."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    tables = _tables(folder)
    for path in _half_tables(folder):
        skipped.add(str(path))
    for path in tables:
        yield TableFile(path, str(path.relative_to(root)), _is_test(path.stem, test), columns)
    within = shown_folders(folder)
    named = [name for name in within if _says_something(name.name)]
    found: dict[str, list[TableFile]] = {}
    read = named if tables or named else within
    for path in (path for beside in within if beside not in read for path in sorted(beside.rglob(f"*{ENDING}"))):
        skipped.add(str(path), "in a folder beside")
    for inner in read:
        key, equals, value = inner.name.partition("=")
        said = {**columns, key: unquote(value)} if equals else columns
        is_split = not equals or key.lower() == _SPLIT_KEY
        inner_test = _is_test(value if equals else inner.name, test) if is_split else test
        if files := list(_below(root, inner, inner_test, said, above | {here}, skipped)):
            found[inner.name] = files
    if not named and len(found) > 1:
        raise DataMissing(
            f"{folder} holds several data sets, {', '.join(map(printable, sorted(found)))}; give the path of one of them"
        )
    for files in found.values():
        yield from files


def _tables(folder: Path) -> list[Path]:
    has_own = is_results(folder)
    return sorted(path for path in folder.iterdir() if _is_table(path) and not (has_own and _is_own(path)))


def _is_own(path: Path) -> bool:
    """Tell a table of a sweep; what cannot be read is none, and whoever reads it as data says what is wrong with it."""
    try:
        return _OWN in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def _half_tables(folder: Path) -> list[Path]:
    """Find half tables as a browser leaves them: train.parquet.part, train.parquet.crdownload."""
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


# One Parquet file, opened: what is wrong with it is an error of the data.

_SMALL: Final = 256 << 20
"""Bytes that are unpacked of any file."""
_MAX_GROWTH: Final = 100
_FEW_ROWS: Final = 1_000_000
"""Rows that are read of any file; more take a byte each at the least, being images."""


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The file; what pyarrow finds wrong with it is a DataError."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as damage:
        raise DataError(f"cannot read the Parquet file {path}: {damage}") from damage


def refuse_what_grows(file: pq.ParquetFile, path: Path) -> None:
    """Raises DataError where a few bytes stand for many. Images are packed already, and hardly shrink once more."""
    size, said = path.stat().st_size, file.metadata
    unpacked = sum(said.row_group(number).total_byte_size for number in range(said.num_row_groups))
    if unpacked > max(_SMALL, _MAX_GROWTH * size) or said.num_rows > max(_FEW_ROWS, size):
        raise DataError(
            f"{path} declares {said.num_rows:,} rows and {unpacked:,} bytes, more than {_MAX_GROWTH} times its own "
            f"{size:,}; it is not read"
        )


_BATCH: Final = 4096
"""Rows whose cells are in memory at a time."""
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


def label_columns(files: Sequence[TableFile], name: str) -> list[pa.ChunkedArray]:
    """Read the label column of each file, as int64, text or booleans. Raises DataError."""
    return [_plain(_column(file, files, name), file, name) for file in files]


def group_columns(files: Sequence[TableFile], name: str) -> NDArray[np.int64]:
    """The group of each row of all files, numbered from 0. Raises UnfitOption, DataError."""
    parts = [_groups(file, files, name) for file in files]
    if len({part.type for part in parts}) > 1:
        raise UnfitOption("groups", f"the column {name!r} is not of one type in all files")
    column = pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
    numbers: NDArray[np.int64] = pc.index_in(column, value_set=pc.unique(column)).to_numpy().astype(np.int64)
    return numbers


def number_columns(files: Sequence[TableFile], name: str) -> NDArray[np.float32]:
    """A number to predict for each row of all files, (rows, 1). Raises UnfitOption, DataError."""
    rows = [(file, row) for file in files for row in range(row_count(file))]
    values = np.concatenate([_numbers(file, files, name) for file in files])
    return fit_numbers(values, lambda index: f"row {rows[index][1]} of {rows[index][0].path}", f"the column {name!r}")


def shared_columns(files: Sequence[TableFile]) -> list[str]:
    """Return the columns that every file has, those that its folders tell last. Raises DataError."""
    every: list[list[str]] = []
    for file in files:
        with opened(file.path) as table:
            every.append([*table.schema_arrow.names, *file.columns])
    return [name for name in dict.fromkeys(every[0]) if all(name in names for names in every)]


def plain_cells(files: Sequence[TableFile], name: str) -> Iterator[str | int | float | bool | None]:
    """What a column says in each row of all files, a part of it in memory at a time. Raises UnfitOption, DataError."""
    for file in files:
        with opened(file.path) as table:
            if table.schema_arrow.names.count(name) != 1:
                yield from _column(file, files, name, "groups").to_pylist()
                continue
            kind = _value_type(table.schema_arrow.field(name).type)
            if not (is_text(kind) or pa.types.is_boolean(kind) or _is_number(kind) or pa.types.is_null(kind)):
                raise UnfitOption(
                    "groups", f"the column {name!r} of {file.path} is {kind}; groups are numbers, texts or booleans"
                )
            for batch in table.iter_batches(columns=[name], batch_size=_BATCH):
                yield from batch.column(0).to_pylist()


def row_count(file: TableFile) -> int:
    """Raises DataError."""
    with opened(file.path) as table:
        return int(table.metadata.num_rows)


def _column(file: TableFile, files: Sequence[TableFile], name: str, option: str | None = None) -> pa.ChunkedArray:
    """What stands in the file goes before what its folders say. option: whose fault it is where there is none."""
    with opened(file.path) as table:
        names = table.schema_arrow.names
        if names.count(name) == 1:
            return table.read([name]).column(0)
        if names.count(name) == 0 and name in file.columns:
            return pa.chunked_array([_said(file, files, name, table.metadata.num_rows)])
    times = "no" if name not in names else "more than one"
    message = f"{file.path} has {times} column {name!r}; it has {', '.join([*names, *file.columns])}"
    raise DataError(message) if option is None else UnfitOption(option, message)


def _said(file: TableFile, files: Sequence[TableFile], name: str, rows: int) -> pa.Array:
    """Return what the name of a folder says, for each row: whole numbers where all such folders say some, else texts."""
    value = file.columns[name]
    if value == _NULL:
        return pa.nulls(rows, pa.string())
    others = [other.columns[name] for other in files if other.columns.get(name, _NULL) != _NULL]
    return pa.repeat(int(value) if all(map(_WHOLE.fullmatch, others)) else value, rows)


def _groups(file: TableFile, files: Sequence[TableFile], name: str) -> pa.ChunkedArray:
    column = _column(file, files, name, "groups")
    kind = _kind(column)
    if pa.types.is_nested(kind) or pa.types.is_floating(kind):
        raise UnfitOption("groups", f"the column {name!r} of {file.path} is {kind}; groups are whole numbers or texts")
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise UnfitOption("groups", f"row {row} of {file.path} has no {name!r}; give it one or remove the row")
    return column.cast(kind)


def _numbers(file: TableFile, files: Sequence[TableFile], name: str) -> NDArray[np.float64]:
    """NaN where there is none."""
    column = _column(file, files, name, "target")
    kind = _kind(column)
    if _is_number(kind):
        values = column.cast(kind).cast(pa.float64(), safe=False)
    elif name in file.columns and pa.types.is_string(kind):
        values = pa.chunked_array([pc.cast(pc.fill_null(chunk, "nan"), pa.float64()) for chunk in column.chunks])
    else:
        raise UnfitOption("target", f"the column {name!r} of {file.path} is {kind}; a target is a column of numbers")
    numbers: NDArray[np.float64] = pc.fill_null(values, float("nan")).to_numpy().astype(np.float64)
    return numbers


def _kind(column: pa.ChunkedArray) -> pa.DataType:
    return _value_type(column.type)


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type has texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _plain(column: pa.ChunkedArray, file: TableFile, name: str) -> pa.ChunkedArray:
    if column.null_count:
        raise _no_label(column.is_null(), file, name)
    kind = _kind(column)
    if pa.types.is_integer(kind):
        return column.cast(kind).cast(pa.int64())
    if is_text(kind):
        texts = column.cast(kind).cast(pa.string())
        if pc.any(pc.equal(texts, "")).as_py():
            raise _no_label(pc.equal(texts, ""), file, name)
        return texts
    if pa.types.is_boolean(kind):
        return column
    hint = f"; give a column of numbers as `target: {name}`" if pa.types.is_floating(kind) else ""
    raise DataError(f"the column {name!r} of {file.path} is {kind}; labels are whole numbers, texts or booleans{hint}")


def _no_label(lacks: pa.ChunkedArray, file: TableFile, name: str) -> DataError:
    row = pc.index(lacks, True).as_py()
    return DataError(f"row {row} of {file.path} has no {name!r}; give it one or remove the row")
