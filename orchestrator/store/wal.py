"""SQLite's write-ahead log as a file (sqlite.org/fileformat2.html, section 4): the pages that stand in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, unpack
from typing import IO, Final

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


def carry_over(log: bytes, content: bytearray, page_size: int) -> set[int]:
    """Put what SQLite would read from the log into the pages of the main file. Numbers of the pages that it had."""
    found = whole_frames(log, page_size)
    for frame in found:
        start = frame.start + FRAME_HEADER
        if len(content) < frame.page * page_size:
            content.extend(bytes(frame.page * page_size - len(content)))
        content[(frame.page - 1) * page_size : frame.page * page_size] = log[start : start + page_size]
    return {frame.page for frame in found}


def whole_frames(log: bytes, size: int) -> list[Frame]:
    """The frames that SQLite would read: up to the last commit before the first that is damaged."""
    if len(log) < HEADER:
        return []
    order = ">" if log[3] & 1 else "<"
    sums = _sums(log[:24], order, (0, 0))
    if sums != unpack(">II", log[24:32]):
        return []
    found = []
    for frame in frames(log, salt_of(log), size, HEADER):
        start, data = frame.start, frame.start + FRAME_HEADER
        sums = _sums(log[start : start + 8] + log[data : data + size], order, sums)
        if sums != unpack(">II", log[start + 16 : start + 24]) or not frame.page:
            break
        found.append(frame)
    return committed(found)


def _sums(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def page_size(file: IO[bytes]) -> int:
    """As the database's header says; SQLite's own default where it says nothing sensible."""
    file.seek(16)
    size = int.from_bytes(file.read(2), "big")
    size = 65536 if size == 1 else size
    return size if is_page_size(size) else 4096


def is_page_size(size: int) -> bool:
    return 512 <= size <= 65536 and size & (size - 1) == 0
