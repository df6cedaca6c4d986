"""The rows of whole tables, as the journal keeps them."""

from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import pyarrow as pa

from orchestrator.errors import DamagedResults
from orchestrator.store import sql, tables
from orchestrator.store.paths import ResultsPaths
from orchestrator.upkeep.scratch import Ordered, Row, Scratch
from results_schema import TABLES, TRIALS

CELLS: Final = "cells"
_ROWS_AT_ONCE: Final = 2_000


def find_exported(paths: ResultsPaths, scratch: Scratch) -> frozenset[str]:
    """Keep the rows of those tables that are whole, and the cells, which stand in the rows of their trials. Their names."""
    found = set[str]()
    for table in TABLES:
        try:
            content = tables.read(table, paths)
        except (DamagedResults, FileNotFoundError):
            continue
        columns = sql.TRIAL_COLUMNS if table is TRIALS else tuple(content.column_names)
        scratch.add("tables", table.name, columns, _ordered(_rows(content), columns))
        if table is TRIALS:
            scratch.add("tables", CELLS, sql.CELL_COLUMNS, _ordered(map(_cell, _rows(content)), sql.CELL_COLUMNS))
        found.add(table.name)
    return frozenset(found)


def _cell(trial: Row) -> Row:
    return {**trial, "cell_id": trial.get("config_id") or trial["cell_id"]}


def _ordered(rows: Iterator[Row], columns: tuple[str, ...]) -> Iterator[Ordered]:
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
