"""What was found of a journal's rows, by place, in a file of its own: a journal of a million rows is not held in memory."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import pyarrow as pa

from orchestrator.errors import DamagedResults
from orchestrator.store import sql, tables
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.version import holds_every_trial
from results_schema import TABLES, TRIAL_TABLES, TRIALS, VERSION, Table

Place = Literal["journal", "again", "tables"]
"""The journal; the journal read again, with other bytes where pages are lost; the Parquet tables."""
Row = Mapping[str, Any]
Ordered = tuple[Any, ...]
"""A row's place in its table, and its values."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: sql.key_of(name) for name in sql.tables()},
    "logs": ("trial_id", "attempt"),
    "meta": ("key",),
}
"""All tables of a journal, with their keys."""


class Scratch:
    """A database that nobody else sees."""

    def __init__(self, path: Path) -> None:
        """path: of a new and empty file."""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._columns: dict[tuple[Place, str], tuple[str, ...]] = {}
        self._made: dict[str, tuple[str, ...]] = {}
        """Columns of the new journal's tables."""
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            self._db.execute(f"PRAGMA {setting}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._db.close()

    def add(self, place: Place, table: str, columns: Sequence[str], rows: Iterable[Ordered]) -> int:
        """Keep these rows; of two with one key the later. Returns how many there are."""
        name = _name(place, table)
        # no types: a value is kept as it was read, so that two readings can be compared
        self._db.execute(f"CREATE TABLE {name} (_place, {_listed(columns)}, PRIMARY KEY ({_listed(KEYS[table])}))")
        self._db.execute("BEGIN")
        marks = ", ".join("?" * (len(columns) + 1))
        self._db.executemany(f"INSERT OR REPLACE INTO {name} VALUES ({marks})", rows)
        self._db.execute("COMMIT")
        self._columns[place, table] = tuple(columns)
        return self.count(place, table)

    def count(self, place: Place, table: str) -> int:
        if not self.columns(place, table):
            return 0
        (count,) = self._db.execute(f"SELECT count(*) FROM {_name(place, table)}").fetchone()
        return int(count)

    def columns(self, place: Place, table: str) -> tuple[str, ...]:
        """Empty where nothing was added."""
        return self._columns.get((place, table), ())

    def keep_what_agrees(self, table: str) -> int:
        """Of the journal's rows those that read the same again. Returns how many there are."""
        one, other = _name("journal", table), _name("again", table)
        columns = self.columns("journal", table)
        if not columns or columns != self.columns("again", table):
            self._forget("journal", table)
            return 0
        same = " AND ".join(
            f'other."{name}" IS one."{name}" AND typeof(other."{name}") = typeof(one."{name}")' for name in columns
        )
        self._db.execute(f"DELETE FROM {one} AS one WHERE NOT EXISTS (SELECT 1 FROM {other} AS other WHERE {same})")
        return self.count("journal", table)

    def forget_journal(self) -> None:
        """What was read of it before it could not be read on may be anything."""
        for table in KEYS:
            self._forget("journal", table)

    def _forget(self, place: Place, table: str) -> None:
        self._db.execute(f"DROP TABLE IF EXISTS {_name(place, table)}")
        self._columns.pop((place, table), None)

    def rows(self, place: Place, table: str, **where: Any) -> list[Row]:
        """In their order. where: values of columns."""
        if not self.columns(place, table):
            return []
        chosen = " AND ".join(f'"{name}" = ?' for name in where) or "1"
        found = self._db.execute(
            f"SELECT * FROM {_name(place, table)} WHERE {chosen} ORDER BY _place",
            list(where.values()),
        )
        return [{name: row[name] for name in row.keys() if name != "_place"} for row in found]  # noqa: SIM118 - of a sqlite3.Row

    def keys(self, place: Place, table: str, column: str) -> Iterator[Any]:
        """A column's values, in the order of the rows."""
        if self.columns(place, table):
            found = self._db.execute(f'SELECT "{column}" FROM {_name(place, table)} ORDER BY _place')
            yield from (value for (value,) in found.fetchall())

    # the new journal

    def begin(self, new: Path) -> None:
        """Make a journal there, in a new and empty file, and write into it."""
        with closing(sqlite3.connect(new)) as db:
            for statement in sql.schema_statements():
                db.execute(statement)
            db.execute("INSERT INTO meta VALUES ('results_version', ?)", (str(VERSION),))
            db.commit()
            self._made = {table: _columns_of(db, table) for table in KEYS}
        self._db.execute("ATTACH ? AS made", (str(new),))
        self._db.execute("CREATE TEMP TABLE believed (trial_id PRIMARY KEY, _from, _number)")
        self._db.execute("BEGIN")

    def finish(self) -> None:
        self._db.execute("COMMIT")
        self._db.execute("DETACH made")

    def write(self, table: str, row: Row) -> None:
        names = [name for name in self._made[table] if name in row]
        marks = ", ".join("?" * len(names))
        self._db.execute(f"{_into_made(table, names)} VALUES ({marks})", [row[name] for name in names])

    def believe(self, trial_id: str, place: Place, number: int) -> None:
        """The rows of that trial are taken from there. number: its place among the trials."""
        self._db.execute("INSERT INTO believed VALUES (?, ?, ?)", (trial_id, place, number))

    def copy(self, place: Place, table: str, *, believed: bool = False) -> None:
        """A table's rows into the new journal: all, or those of trials that are believed there."""
        names = [name for name in self._made[table] if name in self.columns(place, table)]
        if not names:
            return
        source = _name(place, table)
        chosen = (
            f"{source} JOIN believed USING (trial_id) WHERE _from = '{place}' ORDER BY _number, _place"
            if believed
            else f"{source} ORDER BY _place"
        )
        self._db.execute(f"{_into_made(table, names)} SELECT {_listed(names)} FROM {chosen}")

    def drop_logs_of_nobody(self) -> None:
        self._db.execute("DELETE FROM made.logs WHERE trial_id NOT IN (SELECT trial_id FROM made.trials)")


def _name(place: Place, table: str) -> str:
    return f'main."{place}_{table}"'


def _into_made(table: str, names: Sequence[str]) -> str:
    return f'INSERT OR REPLACE INTO made."{table}" ({_listed(names)})'


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _columns_of(db: sqlite3.Connection, table: str) -> tuple[str, ...]:
    return tuple(name for _, name, *_ in db.execute(f'PRAGMA table_info("{table}")'))


# The rows of whole tables, as the journal keeps them.

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
