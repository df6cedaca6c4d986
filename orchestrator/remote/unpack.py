"""An archive from a head, unpacked: all that is in it is looked at before anything is written.

Whoever answers for the head has made it. What is none of the regular files that a head sends, or unpacks to more than an
archive of its size may, is refused as a whole.
"""

import gzip
import os
import tarfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import BinaryIO, Final

from orchestrator.remote.piece import is_sent, most_unpacked

_READ_AT_ONCE: Final = 1 << 20
"""Bytes: more than any header of ours has. A name or an attribute that is said to be longer would fill the memory."""
_NOT_AN_ARCHIVE: Final = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    OverflowError,
    MemoryError,
    RecursionError,
)


def members_of(archive: BinaryIO, size: int, running: bool) -> tuple[tarfile.TarInfo, ...]:
    """Of an archive of so many bytes. Raises ValueError where it has one that may not be unpacked, and says why."""
    with _opened(archive, size) as content:
        whole = _refuse_bomb(content, most_unpacked(size))
        with tarfile.open(fileobj=content, mode="r:") as opened:
            members = tuple(_checked(opened, whole, running))
            content.seek(opened.offset)
            if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise ValueError("its list of files is broken off")
            return members


def unpack(archive: BinaryIO, size: int, members: Sequence[tarfile.TarInfo], folder: Path) -> None:
    """Write those members below an empty folder, as new files. Raises ValueError, and OSError of the disk."""
    with _opened(archive, size) as content, tarfile.open(fileobj=content, mode="r:") as opened:
        for member in members:
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                if (sent := opened.extractfile(member)) is not None:
                    copyfileobj(sent, file)
            if 0 <= member.mtime <= time.time():  # a page says of when its tables are
                os.utime(target, (member.mtime, member.mtime))


class _Content(gzip.GzipFile):
    """What is packed, read in small parts alone."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _READ_AT_ONCE:
            raise tarfile.ReadError("a header of it is too long")
        return super().read(size)


@contextmanager
def _opened(archive: BinaryIO, size: int) -> Iterator[_Content]:
    archive.seek(0)
    try:
        with _Content(fileobj=archive, mode="rb") as content:
            yield content
    except _NOT_AN_ARCHIVE as error:
        raise ValueError(f"it is no archive of {size} bytes: {error}") from error


def _refuse_bomb(content: _Content, most: int) -> int:
    """Bytes of what is packed. Read to its end, or to the limit."""
    while content.tell() <= most:
        if not content.read(_READ_AT_ONCE):
            whole = content.tell()
            content.seek(0)
            return whole
    raise ValueError(f"it unpacks to more than {most} bytes")


def _checked(opened: tarfile.TarFile, whole: int, running: bool) -> Iterator[tarfile.TarInfo]:
    seen, folders = set[str](), set[str]()
    for member in opened:
        name = member.name
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise ValueError(f"its {_shown(name)} is no regular file")
        if not is_sent(name, running):
            raise ValueError(f"its {_shown(name)} is no file that a head sends")
        if not 0 <= member.size <= whole - member.offset_data:
            raise ValueError(f"its {_shown(name)} is not all there")
        above = {str(folder) for folder in PurePosixPath(name).parents}
        if name in seen or name in folders or not seen.isdisjoint(above):
            raise ValueError(f"its {_shown(name)} is there twice")
        seen.add(name)
        folders |= above
        yield member


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:80]}...")
