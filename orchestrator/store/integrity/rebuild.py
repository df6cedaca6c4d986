"""A journal made anew from what is left of it and from its tables.

Of each trial either the journal or the tables are believed, whichever has come further, never a mixture. A trial that
neither knows whole waits again, so that only what is damaged runs again.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.store import sql
from orchestrator.store.inspection import Inspected, JournalFiles
from orchestrator.store.integrity.scratch import CELLS, KEYS, Ordered, Place, Row, Scratch
from orchestrator.store.integrity.snapshot import DatabaseSnapshot, image_of
from results_schema import ATTEMPTS, CLASSES, CURVES, ENDED, ENVIRONMENTS, EPOCHS, TRIAL_TABLES, TRIALS

# What can still be read of a damaged journal, row by row.

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


def _reading(image: DatabaseSnapshot, place: Place, found: Inspected, scratch: Scratch) -> dict[str, Salvaged]:
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


REASON: Final = "its rows in the journal were damaged"
_OF_A_TRIAL: Final = (EPOCHS.name, CLASSES.name, CURVES.name, ATTEMPTS.name)
_STAYS: Final = frozenset(
    ("trial_id", "cell_id", "sweep", "planned", "source_digest", "purpose", "tuned", "config_id", "seed", "attempts")
)
"""What is known of a trial before it runs."""


@dataclass(slots=True)
class Rebuilt:
    """What came of it."""

    trials: int = 0
    runs_again: list[str] = field(default_factory=list)
    """Trials that had ended, or may have."""
    lost: list[str] = field(default_factory=list)
    """In words."""


@dataclass(frozen=True, slots=True)
class _Believed:
    """What is taken for true of one trial."""

    row: Row
    place: Place
    whole: bool
    """Whether all that belongs to it can be had there; else it waits again."""


class Rebuilding:
    """Writes the new journal, trial by trial and then table by table."""

    def __init__(self, scratch: Scratch, journal: Mapping[str, Salvaged], tables: Collection[str]) -> None:
        """scratch: holds the rows of the journal and of the tables that are whole, and is writing the new journal."""
        self._scratch, self._journal = scratch, journal
        self._exported = all(table.name in tables for table in TRIAL_TABLES)
        self._backed = all(name in tables for name in _OF_A_TRIAL)
        self._proven = all(journal.get(name, NONE).complete for name in _OF_A_TRIAL)
        self._made = Rebuilt()

    def run(self, directory_id: str) -> Rebuilt:
        """directory_id: used where the journal cannot tell."""
        scratch, made = self._scratch, self._made
        for table in (CELLS, ENVIRONMENTS.name):
            scratch.copy("tables", table)
            scratch.copy("journal", table)
        for trial_id in self._trial_ids():
            self._trial(trial_id)
        for table in (EPOCHS.name, CLASSES.name, CURVES.name):
            scratch.copy("tables", table, believed=True)
            scratch.copy("journal", table, believed=True)
        scratch.copy("journal", "logs")
        scratch.drop_logs_of_nobody()
        for row in _meta(scratch.rows("journal", "meta"), directory_id):
            scratch.write("meta", row)
        if not self._journal.get(TRIALS.name, NONE).complete and not self._exported:
            made.lost.append("trials that no table knows; the sweep plans them again")
        if not self._journal.get("logs", NONE).complete:
            made.lost.append("what some attempts had printed")
        return made

    def _trial_ids(self) -> Iterator[str]:
        """In the order of the tables, then those that they lack."""
        found = dict.fromkeys(self._scratch.keys("tables", TRIALS.name, "trial_id"))
        found.update(dict.fromkeys(self._scratch.keys("journal", TRIALS.name, "trial_id")))
        return iter(found)

    def _trial(self, trial_id: str) -> None:
        believed = self._believe(trial_id)
        row = believed.row
        cell = row.get("config_id") or row["cell_id"]
        if not any(self._scratch.rows(place, CELLS, cell_id=cell) for place in _PLACES):
            self._made.lost.append(f"the cell of trial {trial_id}")
            return
        if believed.whole:
            self._scratch.believe(trial_id, believed.place, self._made.trials)
        else:
            self._made.runs_again.append(trial_id)
            row = _waiting(row)
        attempts = self._attempts(trial_id, believed.place)
        if row["attempts"] and row["attempts"] not in attempts:
            row = {**row, "attempts": max(attempts, default=0)}
        self._scratch.write(TRIALS.name, row)
        for number, attempt in attempts.items():
            if number <= row["attempts"]:
                self._scratch.write(ATTEMPTS.name, attempt)
        self._made.trials += 1

    def _believe(self, trial_id: str) -> _Believed:
        own, other = (_only(self._scratch.rows(place, TRIALS.name, trial_id=trial_id)) for place in _PLACES)
        exported = other if self._backed else None
        if exported is not None and (own is None or _progress(exported) >= _progress(own)):
            return _Believed(exported, "tables", whole=True)
        if own is not None:
            return _Believed(own, "journal", whole=self._proven or own["status"] not in ENDED)
        assert other is not None, "one of them named it"
        return _Believed(other, "journal", whole=other["status"] not in ENDED)

    def _attempts(self, trial_id: str, place: Place) -> dict[int, Row]:
        """All that are known, those of the place that is believed above the others. Number to row."""
        found: dict[int, Row] = {}
        for source in ("tables", "journal") if place == "journal" else ("journal", "tables"):
            known = self._scratch.rows(source, ATTEMPTS.name, trial_id=trial_id)
            found |= {row["attempt"]: row for row in known}
        return found


_PLACES: Final[tuple[Place, Place]] = ("journal", "tables")


def _only(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _meta(rows: list[Row], directory_id: str) -> Iterator[Row]:
    found = {row["key"]: row["value"] for row in rows if row["key"] != "results_version"}
    found.setdefault("directory_id", directory_id)
    yield from ({"key": key, "value": value} for key, value in found.items())


def _progress(row: Row) -> tuple[int, bool, Any]:
    return row["attempts"] or 0, row["status"] in ENDED, row.get("finished_at") or 0


def _waiting(row: Row) -> Row:
    plain = {name: row.get(name) if name in _STAYS else None for name in sql.TRIAL_COLUMNS}
    return {**plain, "status": "pending", "reason": REASON}
