"""From the journal to Parquet: whole files, each in place at once, checked against results_schema."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults
from orchestrator.store import sql
from orchestrator.store.checksums import Checksums
from orchestrator.store.files import content_of, digest_of
from orchestrator.store.journal import Journal
from orchestrator.store.kept import kept_files, older_journals
from orchestrator.store.older import carried_over, holds_every_trial
from orchestrator.store.paths import ResultsPaths
from results_schema import TABLES, TRIALS, VERSION, Table
from trainables.whole_file import durable, remove_unfinished, unfinished

ROWS_AT_ONCE: Final = 2_000
"""Rows that are Python's objects at one time: each of its values takes three times what it takes in Arrow."""
BATCHES: Final = 25
"""Batches of so many rows that make a row group: what an export holds in memory."""


def export(journal: Journal, paths: ResultsPaths, check: Callable[[], None] = lambda: None) -> None:
    """Write every table anew. A reader sees the old file or the new one, never half of one.

    check: raises where they must not be put in place any more.

    The checksums allow both before the first is in place, and only the new ones once all are: whoever kills us, no table
    that is whole is taken for damaged. For the one who holds the results' lock. Raises DamagedResults, OSError.
    """
    known = Checksums.read(paths.checksums)
    remove_unfinished(paths.root)
    with ExitStack() as written:
        files = {table.name: written.enter_context(unfinished(paths.table(table.name))) for table in TABLES}
        with journal.one_moment():
            for table in TABLES:
                _write(table, journal, files[table.name])
            kept = {**kept_files(journal, paths, known.kept), **older_journals(paths, known.kept)}
            directory_id = journal.directory_id
        digests = {paths.table(name).name: digest_of(Path(file.name)) for name, file in files.items()}
        known = replace(known, directory_id=directory_id, kept=kept)
        check()
        known.may_become(digests, paths.root).write(paths.checksums)
        for name, file in files.items():
            Path(file.name).replace(paths.table(name))
        durable(paths.root)
        replace(known, tables={name: (digest,) for name, digest in digests.items()}).write(paths.checksums)


def read(table: Table, paths: ResultsPaths) -> pa.Table:
    """A table as it was exported, its checksums verified; one of an older orch with the columns of this one that follow from
    its own. Raises DamagedResults, FileNotFoundError.
    """
    path = paths.table(table.name)
    content = whole_content(path, paths)
    try:
        found = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, str(error)) from error
    declared = {field.name: field.type for field in table.schema}
    for field in found.schema:  # in a table without a checksum, its own account of its types has none either
        if declared.get(field.name, field.type) != field.type:
            raise _damaged(path, f"{field.name} is {field.type}")
    return as_of_now(table, found)


def as_of_now(table: Table, found: pa.Table) -> pa.Table:
    """What an older orch has written, with the columns of this one that follow from its own."""
    return carried_over(found) if table is TRIALS and holds_every_trial(found) else found


def whole_content(path: Path, paths: ResultsPaths) -> bytes:
    """Of a table that is as it was written. Raises DamagedResults, FileNotFoundError."""
    while True:
        known = Checksums.read(paths.checksums)
        content = content_of(path)
        right = known.tables.get(path.name)
        if right is None or blake2b(content, digest_size=16).hexdigest() in right:
            return content
        if Checksums.read(paths.checksums) == known:  # else an export went on between our two looks
            raise _damaged(path, "it is not as it was written")


def refuse_damaged_tables(paths: ResultsPaths) -> None:
    """For a sweep that begins: it would write them anew, and nobody would learn of it.

    Raises DamagedResults, UserError and InfrastructureLost where one cannot be read.
    """
    for table in TABLES:
        with suppress(FileNotFoundError):
            whole_content(paths.table(table.name), paths)


def _damaged(path: Path, what: str) -> DamagedResults:
    return DamagedResults(f"{path} is damaged: {what}; `orch repair {path.parent}` writes it again from the journal")


def _write(table: Table, journal: Journal, file: IO[bytes]) -> None:
    schema = table.schema.with_metadata({"results_version": str(VERSION), "about": table.about})
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        batches = (checked_rows(table, rows, schema) for rows in _batches(journal, table))
        while group := list(islice(batches, BATCHES)):
            writer.write_table(pa.concat_tables(group))
    file.flush()
    os.fsync(file.fileno())


def _batches(journal: Journal, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    rows = journal.query(sql.select(table))
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch


def checked_rows(table: Table, rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
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
