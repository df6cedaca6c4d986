"""Of which moment a journal's files are: a copy that was made while a sweep wrote may have each of another one.

Page 1 holds a number that is drawn anew each time that the journal is sealed, beside the one before (`PRAGMA user_version`
and `application_id`, sqlite.org/fileformat2.html, 1.3). Its page checksums have the same number, and so has every page 1
in the log that has been written since.
"""

import sqlite3
from dataclasses import dataclass
from secrets import randbits
from struct import Struct
from typing import Final, Self

from orchestrator.store.sealing import wal

_MAGIC: Final = b"SQLite format 3\0"
_HEADER: Final = 100
_NUMBERS: Final = Struct(">24xI32xI4xI20xI4x")
"""SQLite's count of changes, our number, the one before, and the count again."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What page 1 says."""

    number: int
    """Of the page checksums that were made of it, or were to be made next."""
    before: int

    @classmethod
    def of(cls, page: bytes) -> Self | None:
        """None where that is no page 1, or a damaged one."""
        if len(page) < _HEADER or not page.startswith(_MAGIC):
            return None
        changes, number, before, again = _NUMBERS.unpack_from(page)
        return cls(number, before) if changes == again else None


def stamps_in(log: bytes, frames: list[wal.Frame]) -> list[Stamp]:
    """Those of every page 1 that was committed into a log, in their order."""
    starts = [frame.start + wal.FRAME_HEADER for frame in frames if frame.page == 1]
    return [stamp for start in starts if (stamp := Stamp.of(log[start : start + _HEADER])) is not None]


def put_on(db: sqlite3.Connection, before: int) -> int:
    """A new number, written outside a transaction of the caller's. before: the one until now."""
    number = randbits(31)
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(f"PRAGMA application_id = {before}")
        db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return number


def is_of_another_moment(checksums: int, main: Stamp | None, log: list[Stamp]) -> bool:
    """Whether page checksums are older or newer than the journal beside them: they tell nothing of what befell that.

    What stands last in a log may be in the main file already: who was ended between that and the sealing has left the
    checksums of before.
    """
    if main is None or not checksums:
        return False
    latest = [number for stamp in log[-1:] for number in (stamp.number, stamp.before)]
    return not any(_same(checksums, number) for number in (main.number, *latest))


def is_of_another_journal(log: list[Stamp], main: Stamp | None) -> bool:
    """Whether a log was begun at another moment of the main file than this, and does not end in this either."""
    return main is not None and bool(log) and not any(_same(stamp.number, main.number) for stamp in log)


def _same(one: int, other: int) -> bool:
    """A number that differs in one bit is one in which a bit has flipped: that is damage, and no other moment."""
    return (one ^ other).bit_count() <= 1
