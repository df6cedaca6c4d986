"""The journal's seal: a digest of every page of its main file, so that no flipped bit goes unseen (ADR 8)."""

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import IO, Final, Self

from orchestrator.errors import DamagedResults
from orchestrator.store.files import content_of
from trainables.data.files import replace_whole

# How much of the journal's write-ahead log is committed, kept beside it: SQLite drops what it cannot read in
# silence.

_EMPTY: Final = blake2b(digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Mark:
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
            raise DamagedResults(f"{path} is damaged; `orch repair {path.parent}` makes it anew")
        return found

    def write(self, descriptor: int) -> None:
        """In place, at one go: always of the same length."""
        os.pwrite(descriptor, self._text(), 0)

    def create(self, path: Path) -> None:
        """As a whole: whoever kills us leaves no empty mark behind, which would be taken for a damaged one."""
        replace_whole(self._text(), path)

    def _text(self) -> bytes:
        body = f"{self.salt} {self.size:012d} {self.digest} ".encode("ascii")
        return body + _own(body)


NOTHING: Final = Mark("0" * 16, 0, _EMPTY)
"""No log is needed: all that is committed stands in the journal's main file."""


def _own(body: bytes) -> bytes:
    return blake2b(body, digest_size=8).hexdigest().encode("ascii") + b"\n"


# SQLite's write-ahead log as a file (sqlite.org/fileformat2.html, section 4): the pages that stand in it.

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


def page_size(file: IO[bytes]) -> int:
    """As the database's header says; SQLite's own default where it says nothing sensible."""
    file.seek(16)
    size = int.from_bytes(file.read(2), "big")
    size = 65536 if size == 1 else size
    return size if is_page_size(size) else 4096


def is_page_size(size: int) -> bool:
    return 512 <= size <= 65536 and size & (size - 1) == 0


DIGEST: Final = 8
"""Bytes of a page's digest."""

_MAGIC: Final = b"orch journal seal 2\n"
_HEAD: Final = Struct(">III")
_OLDER_MAGIC: Final = b"orch journal seal 1\n"
_OLDER_HEAD: Final = Struct(">II")
_OWN_DIGEST: Final = 16


@dataclass(frozen=True, slots=True)
class Seal:
    """The digests of a journal's pages."""

    page_size: int
    digests: bytes
    """DIGEST bytes a page."""
    stamp: int = 0
    """The journal's number of that moment (`store.stamp`); 0 where an older orch has made the seal."""

    @property
    def pages(self) -> int:
        return len(self.digests) // DIGEST

    @classmethod
    def of(cls, file: IO[bytes], stamp: int) -> Self:
        """Of a journal as it stands now."""
        size = page_size(file)
        file.seek(0)
        digests = bytearray()
        while page := file.read(size):
            digests += digest(page)
        return cls(size, bytes(digests), stamp)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises DamagedResults, FileNotFoundError."""
        content = content_of(path)
        body, own = content[:-_OWN_DIGEST], content[-_OWN_DIGEST:]
        older = body.startswith(_OLDER_MAGIC)
        head, start = (_OLDER_HEAD, len(_OLDER_MAGIC)) if older else (_HEAD, len(_MAGIC))
        known = (older or body.startswith(_MAGIC)) and len(body) >= start + head.size
        if not known or blake2b(body, digest_size=_OWN_DIGEST).digest() != own:
            raise DamagedResults(f"{path} is damaged; `orch repair {path.parent}` makes it anew")
        size, pages, *stamp = head.unpack_from(body, start)
        if not is_page_size(size) or len(body) != start + head.size + pages * DIGEST:
            raise DamagedResults(f"{path} is damaged; `orch repair {path.parent}` makes it anew")
        return cls(size, body[start + head.size :], *stamp)

    def write(self, path: Path) -> None:
        body = _MAGIC + _HEAD.pack(self.page_size, self.pages, self.stamp) + self.digests
        replace_whole(body + blake2b(body, digest_size=_OWN_DIGEST).digest(), path)

    def updated(self, file: IO[bytes], changed: set[int], stamp: int) -> "Seal":
        """With new digests of the pages that a checkpoint has written. Those of others stay: what befalls them shows."""
        digests = bytearray(self.digests)
        for number in sorted(changed):
            file.seek((number - 1) * self.page_size)
            page = file.read(self.page_size)
            at = (number - 1) * DIGEST
            if len(page) == self.page_size and at <= len(digests):
                digests[at : at + DIGEST] = digest(page)
        return Seal(self.page_size, bytes(digests), stamp)

    def differing(self, file: IO[bytes], covered: Container[int]) -> list[int]:
        """Numbers of the pages that are not as they were sealed. covered: pages that stand in the log, which overrides."""
        file.seek(0)
        found: list[int] = []
        number = 0
        while (page := file.read(self.page_size)) or number < self.pages:
            at = number * DIGEST
            number += 1
            if self.digests[at : at + DIGEST] != digest(page) and number not in covered:
                found.append(number)
        return found


def digest(page: bytes) -> bytes:
    return blake2b(page, digest_size=DIGEST).digest()
