"""A journal as one image in memory: what is read from it is read without a trace, and without what is damaged."""

import os
import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.errors import DamagedResults
from orchestrator.store import seal as wal
from orchestrator.store.connection import checked, connect, in_memory
from orchestrator.store.files import content_of, reading
from orchestrator.store.inspection import Inspected, JournalFiles, inspect
from orchestrator.store.lock_note import living_holder
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.seal import DIGEST, digest

MAX_REPAIRED: Final = 32
"""Pages: trying every bit of one takes a tenth of a second, and where many are damaged it was no single bit."""


@dataclass(frozen=True, slots=True)
class DatabaseSnapshot:
    """A journal's pages, its log carried over."""

    content: bytes
    lost: frozenset[int]
    """Numbers of pages that could not be had."""

    def opened(self) -> sqlite3.Connection:
        """Raises what SQLite raises."""
        return in_memory(bytearray(self.content))

    def filled(self, value: int, size: int) -> "DatabaseSnapshot":
        """With every byte of the lost pages at this value."""
        content = bytearray(self.content)
        for number in self.lost:
            content[(number - 1) * size : number * size] = bytes([value]) * size
        return DatabaseSnapshot(bytes(content), self.lost)


def opened(paths: ResultsPaths, journal: Path) -> sqlite3.Connection:
    """A journal of this directory to read, also while another process writes it. Raises DamagedResults."""
    holder = living_holder(paths)
    if holder is not None and (holder.pid, holder.host) != (os.getpid(), socket.gethostname()):
        return connect(journal, read_only=True)
    with checked(journal):
        files = JournalFiles(journal)
        return image_of(files, Inspected(log_is_left=inspect(files).log_is_left))[0].opened()


def image_of(files: JournalFiles, found: Inspected) -> tuple[DatabaseSnapshot, int]:
    """The image and its page size. Of pages that are not as they were sealed, a single flipped bit is put back.

    Raises OSError, DamagedResults.
    """
    bad, seal = found.bad_pages, found.seal
    with reading(files.main) as main:
        size = wal.page_size(main) if seal is None else seal.page_size
        main.seek(0)
        content = bytearray(main.read())
    if not content:
        raise DamagedResults(f"{files.main} is damaged: it is empty; `orch repair {files.main.parent}` mends it")
    lost = set()
    for number in bad:
        at = slice((number - 1) * size, number * size)
        assert seal is not None
        sealed = seal.digests[(number - 1) * DIGEST : number * DIGEST]
        whole = mended(bytes(content[at]), sealed, size) if len(bad) <= MAX_REPAIRED else None
        content[at] = bytes(size) if whole is None else whole
        if whole is None:
            lost.add(number)
    log = content_of(files.log) if files.log.exists() and not found.log_is_left else b""
    lost -= wal.carry_over(log, content, size)
    return DatabaseSnapshot(bytes(content), frozenset(lost)), size


def mended(page: bytes, sealed: bytes, size: int) -> bytes | None:
    """The page with the one bit put back that has flipped; None where more than that has happened to it."""
    if len(page) != size:
        return None
    trial = bytearray(page)
    for place in range(size):
        for bit in range(8):
            trial[place] ^= 1 << bit
            if digest(bytes(trial)) == sealed:
                return bytes(trial)
            trial[place] ^= 1 << bit
    return None
