"""The head's side of `orch fetch`: the results directory as one archive, handed out in pieces that fit into a job's log."""

import base64
import json
import tarfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from orchestrator.errors import UserError
from orchestrator.reports.progress import lock_holder
from orchestrator.store.names import is_plain, leads_out
from orchestrator.store.paths import ResultsPaths

PACK: Final = "pack"
"""The command, for the head alone."""
PIECE_BYTES: Final = 16 * 2**20
MOST_BYTES: Final = 2**36
"""Of an archive: who fetches it has it in memory."""
_KEPT_SECONDS: Final = 3600.0
"""An archive that nobody has fetched to its end is removed by the next fetch after this."""
_TRIES: Final = 10
_OF_JOURNAL: Final = (".sqlite", ".sqlite-wal", ".seal", ".mark")
"""Endings. The log too: it has what was committed last where a sweep was killed."""
_LEFT_OUT: Final = ("checkpoints", "damaged", "wandb", "wandb.log")


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

    @classmethod
    def parsed(cls, text: str) -> Self:
        """What a head has answered, which may be anything. Raises ValueError."""
        try:
            piece = cls(**json.loads(text))
            length = len(piece.data())
        except (TypeError, RecursionError) as error:
            raise ValueError("it is no piece of an archive") from error
        if not is_plain(piece.name):
            raise ValueError(f"{piece.name!r:.200} is no name of a sweep")
        if type(piece.size) is not int or not 0 < piece.size <= MOST_BYTES:
            raise ValueError(f"an archive of {piece.size!r:.40} bytes is too large to be fetched; copy it with rsync")
        if length > PIECE_BYTES or not isinstance(piece.sha256, str) or type(piece.running) is not bool:
            raise ValueError("it is no piece of an archive")
        return piece

    def data(self) -> bytes:
        return base64.b64decode(self.content, validate=True)


def pack(results: Path, token: str, number: int) -> str:
    """The piece as JSON. Piece 0 packs anew, the last one removes the archive. Raises UserError."""
    if not results.is_dir():
        raise UserError(f"there is no sweep in {results} on the cluster")
    archive = results.parent / f".fetch-{token}.tar.gz"
    running = lock_holder(ResultsPaths(results)) is not None
    if number == 0:
        _remove_old(results.parent)
        _pack(results, archive, running)
    with archive.open("rb") as opened:
        digest = sha256()
        while part := opened.read(2**20):
            digest.update(part)
        opened.seek(number * PIECE_BYTES)
        content = opened.read(PIECE_BYTES)
    size = archive.stat().st_size
    if (number + 1) * PIECE_BYTES >= size:
        archive.unlink()
    piece = Piece(results.name, size, digest.hexdigest(), running, base64.b64encode(content).decode())
    return json.dumps(asdict(piece))


def _pack(results: Path, archive: Path, running: bool) -> None:
    """Tables and checksums of one moment: packed again where a sweep that runs has written them anew meanwhile."""
    for _ in range(_TRIES):
        before = _checksums(results)
        with tarfile.open(archive, "w:gz", compresslevel=1) as made:
            for file in _files(results, running):
                made.add(file, arcname=str(file.relative_to(results)))
        if _checksums(results) == before:
            return


def _checksums(results: Path) -> bytes:
    path = ResultsPaths(results).checksums
    return path.read_bytes() if path.exists() else b""


def _files(results: Path, running: bool) -> Iterator[Path]:
    for path in sorted(results.rglob("*")):
        first = path.relative_to(results).parts[0]
        hidden = any(part.startswith(".") for part in path.relative_to(results).parts)
        of_journal = first.startswith("journal.") and (running or not first.endswith(_OF_JOURNAL))
        if path.is_file() and not path.is_symlink() and not (hidden or of_journal or first in _LEFT_OUT):
            yield path


def _remove_old(root: Path) -> None:
    for old in root.glob(".fetch-*.tar.gz"):
        if time.time() - old.stat().st_mtime > _KEPT_SECONDS:
            old.unlink(missing_ok=True)


def members(archive: tarfile.TarFile, room: int) -> Iterator[tarfile.TarInfo]:
    """What is to be unpacked, none of which is more than `pack` puts in. room: bytes. Raises ValueError."""
    for member in archive:
        if why := leads_out(member.name):
            raise ValueError(f"it names a file {member.name!r:.200}: {why}")
        if not member.isfile() or member.issparse() or any(part.startswith(".") for part in member.name.split("/")):
            raise ValueError(f"it holds {member.name!r:.200}, and no results have such a file")
        if (room := room - member.size) < 0:
            raise ValueError("it unpacks to more than there is room for on this disk")
        yield member
