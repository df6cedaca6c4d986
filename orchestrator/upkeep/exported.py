"""The rows of whole tables, as the journal keeps them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from typing import Any, Final

import pyarrow as pa

from orchestrator.errors import DamagedResults
from orchestrator.store import sql, tables
from orchestrator.store.older import holds_every_trial
from orchestrator.store.paths import ResultsPaths
from orchestrator.upkeep.scratch import Ordered, Row, Scratch
from results_schema import TABLES, TRIAL_TABLES, TRIALS, Table

CELLS: Final = "cells"
_ROWS_AT_ONCE: Final = 2_000


def find_exported(paths: ResultsPaths, scratch: Scratch) -> frozenset[str]:
    """Keep the rows of those tables that are whole, and the cells, which stand in the rows of their trials. Their names."""
    found = _trials(paths, scratch)
    for table in TABLES:
        if table not in TRIAL_TABLES and (content := _whole(table, paths)) is not None:
            _add(scratch, table.name, content.column_names, [content], _same)
            found.add(table.name)
    return frozenset(found)


def _trials(paths: ResultsPaths, scratch: Scratch) -> set[str]:
    """Keep the trials that some table has. The names of the whole tables: where one holds all trials, of all three."""
    whole = {table.name: content for table in TRIAL_TABLES if (content := _whole(table, paths)) is not None}
    if whole:
        _add(scratch, TRIALS.name, sql.TRIAL_COLUMNS, list(whole.values()), _same)
        _add(scratch, CELLS, sql.CELL_COLUMNS, list(whole.values()), _cell)
    first = whole.get(TRIALS.name)
    has_all = first is not None and holds_every_trial(first)
    return {table.name for table in TRIAL_TABLES} if has_all else set(whole)


def _whole(table: Table, paths: ResultsPaths) -> pa.Table | None:
    try:
        return tables.read(table, paths)
    except (DamagedResults, FileNotFoundError):
        return None


def _add(
    scratch: Scratch, name: str, columns: Sequence[str], contents: Sequence[pa.Table], made: Callable[[Row], Row]
) -> None:
    rows = map(made, chain.from_iterable(map(_rows, contents)))
    scratch.add("tables", name, columns, _ordered(rows, columns))


def _same(row: Row) -> Row:
    return row


def _cell(trial: Row) -> Row:
    return {**trial, "cell_id": trial.get("config_id") or trial["cell_id"]}


def _ordered(rows: Iterator[Row], columns: Sequence[str]) -> Iterator[Ordered]:
    numbers = count()
    return ((next(numbers), *(row.get(name) for name in columns)) for row in rows)


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = []
        for column in batch.columns:
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            elif pa.types.is_boolean(column.type):
                column = column.cast(pa.int8())
            columns.append(column.to_pylist())
        yield from (dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True))
