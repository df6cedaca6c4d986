"""From the journal to Parquet: whole files, each in place at once, checked against results_schema."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults
from orchestrator.store import sql
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from results_schema import TABLES, VERSION, Table

ROWS_AT_ONCE: Final = 50_000
"""Rows of a row group: what an export holds in memory."""


def export(journal: Journal, paths: ResultsPaths) -> None:
    """Write every table anew. A reader sees the old file or the new one, never half of one.

    For the one who holds the results' lock. Raises DamagedResults, OSError.
    """
    with journal.one_moment():
        for table in TABLES:
            _export(table, journal, paths.table(table.name))


def read(table: Table, paths: ResultsPaths) -> pa.Table:
    """A table as it was exported, its checksums verified. Raises DamagedResults, FileNotFoundError."""
    path = paths.table(table.name)
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        found = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DamagedResults(f"{path} is damaged: {error}; delete it and run the sweep again to rebuild it") from error
    declared = {field.name: field.type for field in table.schema}
    for field in found.schema:  # the file's own account of its types has no checksum
        if declared.get(field.name, field.type) != field.type:
            raise DamagedResults(
                f"{path} is damaged: {field.name} is {field.type}; delete it and run the sweep again to rebuild it"
            )
    return found


def _export(table: Table, journal: Journal, path: Path) -> None:
    schema = table.schema.with_metadata({"results_version": str(VERSION), "about": table.about})
    temporary = path.with_name(f".{path.name}.tmp")  # there is one writer, who holds the lock
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer:
            for rows in _batches(journal, table):
                writer.write_table(_checked(table, rows, schema))
        _durable(temporary)
        temporary.replace(path)
        _durable(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _batches(journal: Journal, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    rows = journal.query(sql.select(table))
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch


def _checked(table: Table, rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as Arrow. Raises DamagedResults where a value is missing or of another type."""
    columns = [_column(table, values, field) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    for column, field in zip(columns, schema, strict=True):
        if column.null_count and not field.nullable:
            raise DamagedResults(f"the journal has no {field.name} for {column.null_count} rows of {table.name}")
    return pa.Table.from_arrays(columns, schema=schema)


def _column(table: Table, values: tuple[Any, ...], field: pa.Field) -> pa.Array:
    try:
        return sql.to_arrow(values, field)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DamagedResults(f"the journal's {field.name} in {table.name} is damaged: {error}") from error


def _durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
