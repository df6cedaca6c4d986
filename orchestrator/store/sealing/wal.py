"""SQLite's write-ahead log as a file (sqlite.org/fileformat2.html, section 4): its pages, and how much is committed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Final, Self

from orchestrator.store.files import content_of, damaged
from trainables.data.files import replace_whole

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


# How much of the journal's write-ahead log is committed, kept beside it: SQLite drops what it cannot read in
# silence.

_EMPTY: Final = blake2b(digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class WalWatermark:
    """A log's first `size` bytes are committed, and have this digest. Nothing is said of what follows."""

    salt: str
    size: int
    digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises DamagedResults, FileNotFoundError."""
        content = content_of(path)
        body, own = content[:-17], content[-17:]
        try:
            salt, size, digest = body.decode("ascii").split()
            found = cls(salt, int(size), digest)
        except ValueError:
            found = None
        if found is None or own != _own(body):
            raise damaged(path, "it is not as it was written", path.parent)
        return found

    def write(self, descriptor: int) -> None:
        """In place, at one go: always of the same length."""
        os.pwrite(descriptor, self._text(), 0)

    def create(self, path: Path) -> None:
        """As a whole: whoever kills us leaves no empty watermark behind, which would be taken for a damaged one."""
        replace_whole(self._text(), path)

    def _text(self) -> bytes:
        body = f"{self.salt} {self.size:012d} {self.digest} ".encode("ascii")
        return body + _own(body)


NOTHING: Final = WalWatermark("0" * 16, 0, _EMPTY)
"""No log is needed: all that is committed stands in the journal's main file."""


def _own(body: bytes) -> bytes:
    return blake2b(body, digest_size=8).hexdigest().encode("ascii") + b"\n"
