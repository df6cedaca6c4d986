"""What can still be read of a damaged journal, row by row."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.store.inspection import Inspected, JournalFiles
from orchestrator.upkeep.image import Image, image_of
from orchestrator.upkeep.scratch import KEYS, Ordered, Place, Scratch

_MISREAD: Final = (sqlite3.DatabaseError, UnicodeDecodeError, OverflowError)

LOOKED_FOR: Final = 200_000
"""Rows that are looked for one by one. A page holds some hundred; a row whose number is garbage may claim any gap."""

_FROM_THE_END: Final = 2**60
"""The place of a table's last row: those that are read backwards from it come after all that are read forwards."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What is known of one table."""

    rows: int
    complete: bool
    """Whether there surely were no others."""


NONE: Final = Salvaged(0, complete=False)


def salvage(files: JournalFiles, found: Inspected, scratch: Scratch) -> dict[str, Salvaged]:
    """Keep the rows of the journal that can be read. By table, how many, and whether that is all.

    A row counts that reads the same whatever stands in the pages that are lost. Raises OSError.
    """
    image, size = image_of(files, found)
    first = _reading(image.filled(0x00, size), "journal", found, scratch)
    if not image.lost:
        return first
    again = _reading(image.filled(0xFF, size), "again", found, scratch)
    return {name: _agreed(first[name], again[name], scratch.keep_what_agrees(name)) for name in first}


def _reading(image: Image, place: Place, found: Inspected, scratch: Scratch) -> dict[str, Salvaged]:
    with closing(image.opened()) as db:
        # a page without a seal may be anything: SQLite's own structure has to be sound for a table to be complete
        sound = found.seal is not None or _is_sound(db)
        return {name: _read(db, name, place, scratch, sound=sound) for name in KEYS}


def _agreed(one: Salvaged, other: Salvaged, same: int) -> Salvaged:
    return Salvaged(same, one.complete and other.complete and same == one.rows == other.rows)


def _is_sound(db: sqlite3.Connection) -> bool:
    try:
        return bool(db.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
    except _MISREAD:
        return False


def _read(db: sqlite3.Connection, table: str, place: Place, scratch: Scratch, *, sound: bool) -> Salvaged:
    key = KEYS[table]
    try:
        columns = [name for _, name, *_ in db.execute(f'PRAGMA table_info("{table}")')]
        plain = not any("WITHOUT ROWID" in text for (text,) in db.execute(_DEFINITION, (table,)))
    except _MISREAD:
        return NONE
    if not columns or not set(key) <= set(columns):
        return Salvaged(0, complete=sound and not columns)  # an older journal lacks tables
    names = ", ".join(f'"{name}"' for name in columns)
    ordered = "rowid" if plain else ", ".join(key)
    reader = _Reader(db, f'SELECT {"rowid" if plain else "NULL"}, {names} FROM "{table}"', ordered, plain=plain)
    rows = scratch.add(place, table, columns, reader.rows())
    return Salvaged(rows, sound and reader.complete)


_DEFINITION: Final = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"


class _Reader:
    """Reads a table from both ends up to the first row that cannot be read, then what lies between one by one."""

    def __init__(self, db: sqlite3.Connection, select: str, order: str, *, plain: bool) -> None:
        self._db, self._select, self._order, self._plain = db, select, order, plain
        self.complete = True

    def rows(self) -> Iterator[Ordered]:
        """Each with its place in the table; the last may come before those in the middle."""
        read, last = 0, 0
        for row in self._until_unreadable("ASC"):
            read, last = read + 1, row[0]
            yield read, *row[1:]
        if self.complete:
            return
        first_behind = None
        for back, row in enumerate(self._until_unreadable("DESC")):
            first_behind = row[0]
            yield _FROM_THE_END - back, *row[1:]
        if self._plain and first_behind is not None:
            for row in self._one_by_one(last + 1, first_behind):
                read += 1
                yield read, *row[1:]

    def _until_unreadable(self, direction: str) -> Iterator[tuple[Any, ...]]:
        order = ", ".join(f"{part} {direction}" for part in self._order.split(", "))
        try:
            yield from self._db.execute(f"{self._select} ORDER BY {order}")
        except _MISREAD:
            self.complete = False

    def _one_by_one(self, first: int, beyond: int) -> Iterator[tuple[Any, ...]]:
        for number in range(first, min(beyond, first + LOOKED_FOR)):
            try:
                yield from self._db.execute(f"{self._select} WHERE rowid = ?", (number,))
            except _MISREAD:
                continue
