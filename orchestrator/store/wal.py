"""SQLite's write-ahead log as a file (sqlite.org/fileformat2.html, section 4): the pages that stand in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

HEADER: Final = 32
FRAME_HEADER: Final = 24

_PAGE_AND_COMMIT: Final = Struct(">II")


@dataclass(frozen=True, slots=True)
class Frame:
    """One page as a transaction has written it."""

    page: int
    """From 1."""
    commits: int
    """Pages of the database after the transaction that this frame ends; 0 for a frame that ends none."""
    start: int
    """Where its header begins in the bytes that it was read from."""


def salt_of(header: bytes) -> bytes:
    """What tells the frames of this log from those that an earlier one has left behind."""
    return header[16:24]


def frames(content: bytes, salt: bytes, page_size: int, start: int = 0) -> Iterator[Frame]:
    """The frames of one log, from the one that begins at `start` on, up to the first that is of another or cut short."""
    length = FRAME_HEADER + page_size
    while start + length <= len(content) and content[start + 8 : start + 16] == salt:
        page, commits = _PAGE_AND_COMMIT.unpack_from(content, start)
        yield Frame(page, commits, start)
        start += length


def committed(found: list[Frame]) -> list[Frame]:
    """Those up to the last commit: what follows it has never happened."""
    last = max((place for place, frame in enumerate(found) if frame.commits), default=-1)
    return found[: last + 1]
