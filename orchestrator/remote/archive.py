"""What `orch fetch` is sent: the results directory as one archive, handed out in pieces that fit into a job's log.

Both sides keep to the same rules on which files may be in it, and the side that fetches trusts nothing that was sent.
"""

import json
import re
import tarfile
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Final

from orchestrator.errors import InfrastructureLost, UserError
from orchestrator.store.files import irregularity, is_plain, leads_out, not_permitted
from orchestrator.store.lock_note import living_holder
from orchestrator.store.paths import ResultsPaths
from trainables.data.files import being_written, open_regular

PIECE_BYTES: Final = 16 * 2**20
MAX_BYTES: Final = 2**36
"""Of an archive."""
_OF_JOURNAL: Final = (".sqlite", ".sqlite-wal", ".seal", ".mark")
"""Endings. The log too: it has what was committed last where a sweep was killed."""
_LEFT_OUT: Final = ("checkpoints", "damaged", "wandb", "wandb.log")
_DEEPEST: Final = 16
"""Folders within each other."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DENSEST: Final = 100
"""Times its own size is the most that an archive may unpack to."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an archive."""

    name: str
    """Of the sweep."""
    size: int
    """Bytes of the whole archive."""
    sha256: str
    """Of the whole archive."""
    running: bool
    """Whether the sweep ran when it was packed: its journal is not in it then."""
    content: str
    """Base64."""

    def data(self) -> bytes:
        """Raises ValueError."""
        return b64decode(self.content, validate=True)

    @classmethod
    def parsed(cls, text: str) -> "Piece":
        """Raises ValueError where it is none, whatever else it is."""
        try:
            piece = cls(**json.loads(text))
        except (TypeError, RecursionError) as error:
            raise ValueError("it is not a piece of an archive") from error
        if not is_plain(piece.name):
            raise ValueError("the name of its sweep is invalid")
        if type(piece.size) is not int or not 0 < piece.size <= MAX_BYTES:
            raise ValueError(
                f"it would have {piece.size!r:.40} bytes, more than the limit of {MAX_BYTES}; copy it with rsync"
            )
        if not isinstance(piece.sha256, str) or not _SHA256.fullmatch(piece.sha256):
            raise ValueError("its checksum is invalid")
        if type(piece.running) is not bool or not isinstance(piece.content, str):
            raise ValueError("it is not a piece of an archive")
        return piece


def is_sent(name: str, running: bool) -> bool:
    """Whether a file of this name, within the results, is copied. running: the journal stays with its sweep then."""
    if leads_out(name) is not None:
        return False
    first, *_ = parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts)
    stays = first.startswith("journal.") and (running or not name.endswith(_OF_JOURNAL) or name != first)
    return not (hidden or stays or first in _LEFT_OUT or len(parts) > _DEEPEST)


def max_unpacked(size: int) -> int:
    """Bytes that an archive of this size may unpack to. A small one is mostly padding, which takes no room."""
    return max(_DENSEST * size, PIECE_BYTES)


PACK: Final = "pack"
"""The command, for the head alone."""
_KEPT_SECONDS: Final = 3600.0
"""An archive that nobody has fetched to its end is removed by the next fetch after this."""
_TRIES: Final = 10
_FAST: Final = 1
_STORED: Final = 0


def pack(results: Path, token: str, number: int) -> str:
    """The piece as JSON. Piece 0 packs anew, the last one removes the archive. Raises UserError, InfrastructureLost."""
    try:
        if not results.is_dir():
            raise UserError(f"there is no sweep in {results} on the cluster")
        return json.dumps(asdict(_piece(results, token, number)))
    except PermissionError as error:
        raise not_permitted(results, error) from error
    except OSError as error:
        raise InfrastructureLost(f"{results} could not be packed on the cluster: {error}; fetch it again") from error


def _piece(results: Path, token: str, number: int) -> Piece:
    archive = results.parent / f".fetch-{token}.tar.gz"
    running = living_holder(ResultsPaths(results)) is not None
    if number == 0:
        _remove_old(results.parent)
        _pack(results, archive, running)
    with open_regular(archive) as opened:
        digest = file_digest(opened, "sha256").hexdigest()
        size = opened.tell()
        opened.seek(number * PIECE_BYTES)
        content = opened.read(PIECE_BYTES)
    if (number + 1) * PIECE_BYTES >= size:
        archive.unlink()
    return Piece(results.name, size, digest, running, b64encode(content).decode())


def _pack(results: Path, archive: Path, running: bool) -> None:
    """Tables and checksums of one moment: packed again where a sweep that runs has written them anew meanwhile."""
    for _ in range(_TRIES):
        before = _checksums(results)
        if _write(results, archive, running, _FAST) > max_unpacked(archive.stat().st_size):
            _write(results, archive, running, _STORED)  # who fetches it would take it for a trap
        if _checksums(results) == before:
            return


def _write(results: Path, archive: Path, running: bool, level: int) -> int:
    """Bytes of what was packed."""
    with (
        being_written(archive) as file,
        tarfile.open(fileobj=file, mode="w:gz", compresslevel=level, dereference=True) as made,
    ):  # dereference: a file of two names is sent twice, not as a link
        for path in _files(results, running):
            with open_regular(path) as opened:
                made.addfile(made.gettarinfo(arcname=str(path.relative_to(results)), fileobj=opened), opened)
    return made.offset


def _checksums(results: Path) -> bytes:
    with suppress(OSError), open_regular(ResultsPaths(results).checksums) as file:
        return file.read()
    return b""  # what is no file is not sent either


def _files(results: Path, running: bool) -> Iterator[Path]:
    for path in sorted(results.rglob("*")):
        if path.is_file() and irregularity(path) is None and is_sent(path.relative_to(results).as_posix(), running):
            yield path


def _remove_old(root: Path) -> None:
    """Remove old archives, also those that a process was writing when it was killed."""
    for old in (*root.glob(".fetch-*.tar.gz"), *root.glob("..fetch-*.tar.gz.*.tmp")):
        with suppress(OSError):  # gone by now, or another user's, who will remove it
            if time.time() - old.lstat().st_mtime > _KEPT_SECONDS:
                old.unlink()
