"""What was found of a journal's rows, by place, in a file of its own: a journal of a million rows is not held in memory."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from orchestrator.store import sql
from results_schema import VERSION

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
        self._db.execute("CREATE TEMP TABLE believed (trial_id PRIMARY KEY, place, number)")
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
            f"{source} JOIN believed USING (trial_id) WHERE place = '{place}' ORDER BY number, _place"
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
