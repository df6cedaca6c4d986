"""One Parquet file, opened: what is wrong with it is an error of the data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.errors import DataError

_SMALL: Final = 256 << 20
"""Bytes that are unpacked of any file."""
_MOST_GROWTH: Final = 100
_FEW_ROWS: Final = 1_000_000
"""Rows that are read of any file; more take a byte each at the least, being pictures."""


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The file; what pyarrow finds wrong with it is a DataError."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as damage:
        raise DataError(f"cannot read the Parquet file {path}: {damage}") from damage


def refuse_what_grows(file: pq.ParquetFile, path: Path) -> None:
    """Raises DataError where a few bytes stand for many. Pictures are packed already, and hardly shrink once more."""
    size, said = path.stat().st_size, file.metadata
    unpacked = sum(said.row_group(number).total_byte_size for number in range(said.num_row_groups))
    if unpacked > max(_SMALL, _MOST_GROWTH * size) or said.num_rows > max(_FEW_ROWS, size):
        raise DataError(
            f"{path} tells of {said.num_rows:,} rows and {unpacked:,} bytes, more than {_MOST_GROWTH} times its own "
            f"{size:,}; it is not read"
        )
