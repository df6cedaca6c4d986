"""Copies a results directory from a cluster to this machine: checked, and moved into place file by file."""

import errno
import gzip
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from secrets import token_hex
from shutil import copyfileobj
from tarfile import TarInfo
from typing import BinaryIO, Final

from clusters.spec import ClusterSpec
from orchestrator.errors import DamagedResults, InfrastructureLost, UserError
from orchestrator.plan.progress import Progress
from orchestrator.remote.archive import PACK, PIECE_BYTES, Piece, is_sent, max_unpacked
from orchestrator.remote.jobs import ask
from orchestrator.remote.request import RESULTS
from orchestrator.store.fetched import FetchedFrom, read_fetched, write_fetched
from orchestrator.store.files import link_on_the_way, not_permitted
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import parts_in
from orchestrator.store.sealing.inspection import JournalFiles

# An archive from a head, unpacked: all that is in it is looked at before anything is written.

_READ_AT_ONCE: Final = 1 << 20
_NAMELESS: Final = "local"
"""What an older orch called a cluster whose file has no name."""
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
    """List the members of an archive of so many bytes. Raises ValueError where one may not be unpacked, and says why."""
    with _opened(archive, size) as content:
        whole = _refuse_bomb(content, max_unpacked(size))
        with tarfile.open(fileobj=content, mode="r:") as opened:
            members = tuple(_checked(opened, whole, running))
            content.seek(opened.offset)
            if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise ValueError("its list of files is cut off")
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
            raise ValueError(f"its {_shown(name)} is not a regular file")
        if not is_sent(name, running):
            raise ValueError(f"its {_shown(name)} is not a file that a head sends")
        if not 0 <= member.size <= whole - member.offset_data:
            raise ValueError(f"its {_shown(name)} is incomplete")
        above = {str(folder) for folder in PurePosixPath(name).parents}
        if name in seen or name in folders or not seen.isdisjoint(above):
            raise ValueError(f"its {_shown(name)} appears twice")
        seen.add(name)
        folders |= above
        yield member


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:80]}...")


_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What has been copied."""

    results: Path
    files: int
    bytes: int
    """Of the files."""
    running: bool
    """Whether the sweep runs there: its journal stays there, the tables are those of its last refresh."""


def fetch(cluster: ClusterSpec, name: str | None, results: Path | None, progress: Progress) -> Fetched:
    """Copy the tables, the page and what else trials have left.

    results: `results/<name>` when not given. Raises UserError where that holds a sweep of this machine, DamagedResults where
    what the head sends is not what a head of orch sends, and InfrastructureLost, where it does not fit on this disk too.
    """
    token = token_hex(4)
    first = _piece(cluster, name, token, 0)
    paths = ResultsPaths((results or Path("results") / first.name).absolute())
    with _disk_errors(paths):
        _refuse_own(paths, cluster)
        with tempfile.TemporaryFile(dir=_folder_for(paths.root)) as archive:
            _refuse_no_room(paths.root, first.size)
            _receive(archive, first, cluster, token, progress)
            with _distrusted(cluster):
                members = members_of(archive, first.size, first.running)
            return _place(archive, members, first, paths, cluster)


def _piece(cluster: ClusterSpec, name: str | None, token: str, number: int) -> Piece:
    answer = ask(cluster, [PACK, RESULTS, token, str(number)], name)
    if answer.code != 0:
        raise UserError(answer.errors.strip() or f"{cluster.name} could not pack the results")
    with _distrusted(cluster):
        piece = Piece.parsed(answer.output)
        if name is not None and piece.name != name:
            raise ValueError("it is of another sweep")
        return piece


@contextmanager
def _distrusted(cluster: ClusterSpec) -> Iterator[None]:
    """What is found wrong with what came from there. Raises DamagedResults."""
    try:
        yield
    except ValueError as error:
        raise DamagedResults(
            f"what came from {cluster.name} is not what orch sends: {error}; nothing was written. Fetch it again; if that"
            " fails too, check what answers at its address"
        ) from error


@contextmanager
def _disk_errors(paths: ResultsPaths) -> Iterator[None]:
    """What this machine's disk says. Raises UserError, InfrastructureLost."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(paths.root, str(error)) from error
        raise UserError(f"cannot write what was fetched to {paths.root}: {error}") from error


def _no_room(root: Path, why: str) -> InfrastructureLost:
    return InfrastructureLost(
        f"what was fetched does not fit on the disk of {root} ({why}); free some space and fetch again"
    )


def _folder_for(root: Path) -> Path:
    """The nearest folder that is there."""
    return next(folder for folder in (root, *root.parents) if folder.is_dir())


def _refuse_no_room(root: Path, size: int) -> None:
    if size > (free := shutil.disk_usage(_folder_for(root)).free):
        raise _no_room(root, f"{size} bytes, of which {free} are free")


def _receive(archive: BinaryIO, first: Piece, cluster: ClusterSpec, token: str, progress: Progress) -> None:
    """Put all pieces together. Raises DamagedResults where they are not what the first one said."""
    digest, piece, came = sha256(), first, 0
    while True:
        with _distrusted(cluster):
            data = piece.data()
        came += len(data)
        if came > first.size:
            break
        digest.update(data)
        archive.write(data)
        if came == first.size or len(data) != PIECE_BYTES:
            break
        progress.note(f"fetched {came / 2**20:.0f} of {first.size / 2**20:.0f} MiB")
        piece = _piece(cluster, first.name, token, came // PIECE_BYTES)
    if came != first.size or digest.hexdigest() != first.sha256:
        raise DamagedResults(f"what came from {cluster.name} is not what was sent (checksum); fetch it again")


def _refuse_own(paths: ResultsPaths, cluster: ClusterSpec) -> None:
    """What has been fetched before may be replaced; a sweep of this machine never is."""
    note = read_fetched(paths)
    try:
        own = note is None and paths.root.exists() and any(paths.root.iterdir())
    except PermissionError as error:
        raise not_permitted(paths.root, error) from error
    if own:
        raise UserError(
            f"{paths.root} was not fetched from a cluster; give --results, so that nothing is replaced there"
        )
    if note is not None and note.cluster not in {cluster.name, _NAMELESS}:
        raise UserError(f"{paths.root} was fetched from another cluster; give --results")


def _place(
    archive: BinaryIO, members: tuple[TarInfo, ...], piece: Piece, paths: ResultsPaths, cluster: ClusterSpec
) -> Fetched:
    total = sum(member.size for member in members)
    _refuse_no_room(paths.root, total)
    note = FetchedFrom(cluster.name, piece.sha256, piece.running)
    with _made(paths, note), ResultsLock(paths):
        _refuse_in_the_way(paths, members)
        for left in paths.root.glob(".fetch-*"):  # of a fetch that was killed
            shutil.rmtree(left, ignore_errors=True)
        unpacked = Path(tempfile.mkdtemp(prefix=".fetch-", dir=paths.root))
        try:
            with _distrusted(cluster):
                unpack(archive, piece.size, members, unpacked)
            write_fetched(paths, note)
            _replace(unpacked, members, paths)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
    return Fetched(paths.root, len(members), total, piece.running)


@contextmanager
def _made(paths: ResultsPaths, note: FetchedFrom) -> Iterator[None]:
    """The directory, which is gone again where it was made for what could not be written."""
    new = not paths.root.exists()
    paths.root.mkdir(parents=True, exist_ok=True)
    try:
        if read_fetched(paths) is None:
            write_fetched(paths, note)  # first: a fetch that is killed can be repeated
        yield
    except BaseException:
        if new:
            shutil.rmtree(paths.root, ignore_errors=True)
        raise


def _refuse_in_the_way(paths: ResultsPaths, members: tuple[TarInfo, ...]) -> None:
    """Before anything is replaced: a link to a folder would be followed, and a folder cannot become a file."""
    for name in (*(member.name for member in members), *(path.name for path in JournalFiles(paths.journal).every)):
        place = paths.root / name
        if (found := link_on_the_way(paths.root, name)) is None and place.is_dir() and not place.is_symlink():
            found = place
        if found is not None:
            raise DamagedResults(f"{found} is in the way of what was fetched; move it away and fetch again")


def _replace(unpacked: Path, members: tuple[TarInfo, ...], paths: ResultsPaths) -> None:
    for old in JournalFiles(paths.journal).every:  # of an earlier fetch: it does not know what has come since
        old.unlink(missing_ok=True)
    for member in members:
        target = paths.root / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        (unpacked / member.name).replace(target)
    fetched = {member.name for member in members}
    for left in parts_in(paths.predictions):  # others have taken its place there
        if f"{paths.predictions.name}/{left}" not in fetched:
            (paths.predictions / left).unlink()
