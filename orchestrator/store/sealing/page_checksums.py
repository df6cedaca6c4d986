"""A checksum of every page of the journal's main file, so that no flipped bit goes unseen (ADR 8)."""

from collections.abc import Container
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import IO, Final, Self

from orchestrator.store.files import content_of, damaged
from trainables.data.files import replace_whole


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
class PageChecksums:
    """The digests of a journal's pages."""

    page_size: int
    digests: bytes
    """DIGEST bytes for each page."""
    stamp: int = 0
    """The journal's number of that moment (`store.stamp`); 0 where an older orch has made them."""

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
            raise damaged(path, "it is not as it was written", path.parent)
        size, pages, *stamp = head.unpack_from(body, start)
        if not is_page_size(size) or len(body) != start + head.size + pages * DIGEST:
            raise damaged(path, "it is not as it was written", path.parent)
        return cls(size, body[start + head.size :], *stamp)

    def write(self, path: Path) -> None:
        body = _MAGIC + _HEAD.pack(self.page_size, self.pages, self.stamp) + self.digests
        replace_whole(body + blake2b(body, digest_size=_OWN_DIGEST).digest(), path)

    def updated(self, file: IO[bytes], changed: set[int], stamp: int) -> "PageChecksums":
        """With new digests of the pages that a checkpoint has written. Those of others stay: what befalls them shows."""
        digests = bytearray(self.digests)
        for number in sorted(changed):
            file.seek((number - 1) * self.page_size)
            page = file.read(self.page_size)
            at = (number - 1) * DIGEST
            if len(page) == self.page_size and at <= len(digests):
                digests[at : at + DIGEST] = digest(page)
        return PageChecksums(self.page_size, bytes(digests), stamp)

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
