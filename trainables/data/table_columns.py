"""Columns of Parquet files that say something of each picture: labels, groups, numbers to predict."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trainables.data.numbers import fit_numbers
from trainables.data.table_files import TableFile
from trainables.data.table_reading import opened
from trainables.errors import DataError, UnfitOption

_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


def label_columns(files: Sequence[TableFile], name: str) -> list[pa.ChunkedArray]:
    """Of each file, as int64, text or booleans. Raises DataError."""
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
    told = f"{file.path} has {times} column {name!r}; it has {', '.join([*names, *file.columns])}"
    raise DataError(told) if option is None else UnfitOption(option, told)


def _said(file: TableFile, files: Sequence[TableFile], name: str, rows: int) -> pa.Array:
    """What the name of a folder says, for each row: whole numbers where all such folders say some, else texts."""
    value = file.columns[name]
    if value == _NULL:
        return pa.nulls(rows, pa.string())
    told = [other.columns[name] for other in files if other.columns.get(name, _NULL) != _NULL]
    return pa.repeat(int(value) if all(map(_WHOLE.fullmatch, told)) else value, rows)


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
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = column.cast(kind).cast(pa.float64(), safe=False)
    elif name in file.columns and pa.types.is_string(kind):
        values = pa.chunked_array([pc.cast(pc.fill_null(chunk, "nan"), pa.float64()) for chunk in column.chunks])
    else:
        raise UnfitOption("target", f"the column {name!r} of {file.path} is {kind}; a target is a column of numbers")
    numbers: NDArray[np.float64] = pc.fill_null(values, float("nan")).to_numpy().astype(np.float64)
    return numbers


def _kind(column: pa.ChunkedArray) -> pa.DataType:
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def _plain(column: pa.ChunkedArray, file: TableFile, name: str) -> pa.ChunkedArray:
    if column.null_count:
        raise _no_label(column.is_null(), file, name)
    kind = _kind(column)
    if pa.types.is_integer(kind):
        return column.cast(kind).cast(pa.int64())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
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
