"""Copies a results directory from a cluster to this machine: checked, and moved into place file by file."""

import shutil
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from secrets import token_hex

from clusters.spec import ClusterSpec
from orchestrator.errors import DamagedResults, UserError
from orchestrator.progress import Progress
from orchestrator.remote.archive import PACK, PIECE_BYTES, Piece, members
from orchestrator.remote.calls import ask
from orchestrator.remote.request import RESULTS
from orchestrator.store.fetched import FetchedFrom, read_fetched, write_fetched
from orchestrator.store.inspection import JournalFiles
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths


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

    results: `results/<name>` when not given. Raises UserError where that holds a sweep of this machine.
    """
    token = token_hex(4)
    piece = _piece(cluster, name, token, 0)
    paths = ResultsPaths((results or Path("results") / piece.name).absolute())
    _refuse_own(paths, cluster)
    content = bytearray(piece.data())
    while len(content) < piece.size:
        progress.note(f"fetched {len(content) / 2**20:.0f} of {piece.size / 2**20:.0f} MiB")
        more = _piece(cluster, piece.name, token, len(content) // PIECE_BYTES).data()
        if not more:
            break
        content += more
    if len(content) != piece.size or sha256(content).hexdigest() != piece.sha256:
        raise DamagedResults(f"what came from {cluster.name} is not what was sent (checksum); fetch it again")
    return _place(bytes(content), piece, paths, cluster)


def _piece(cluster: ClusterSpec, name: str | None, token: str, number: int) -> Piece:
    answer = ask(cluster, [PACK, RESULTS, token, str(number)], name)
    if answer.code != 0:
        raise UserError(answer.errors.strip() or f"{cluster.name} could not pack the results")
    try:
        return Piece.parsed(answer.output)
    except ValueError as error:
        raise DamagedResults(f"what {cluster.name} has answered is no part of a sweep's results: {error}") from error


def _refuse_own(paths: ResultsPaths, cluster: ClusterSpec) -> None:
    """What has been fetched before may be replaced; a sweep of this machine never is."""
    note = read_fetched(paths)
    if note is None and paths.root.exists() and any(paths.root.iterdir()):
        raise UserError(
            f"{paths.root} was not fetched from a cluster; give --results, so that nothing is replaced there"
        )
    if note is not None and note.cluster != cluster.name:
        raise UserError(f"{paths.root} was fetched from another cluster; give --results")


def _place(content: bytes, piece: Piece, paths: ResultsPaths, cluster: ClusterSpec) -> Fetched:
    paths.root.mkdir(parents=True, exist_ok=True)
    write_fetched(paths, FetchedFrom(cluster.name, piece.sha256, piece.running))
    unpacked = Path(tempfile.mkdtemp(prefix=".fetch-", dir=paths.root))
    try:
        with ResultsLock(paths):
            with tarfile.open(fileobj=BytesIO(content)) as archive:
                room = shutil.disk_usage(unpacked).free
                archive.extractall(unpacked, members(archive, room), filter="data")
            files = [file for file in sorted(unpacked.rglob("*")) if file.is_file()]
            total = sum(file.stat().st_size for file in files)
            journal = JournalFiles(paths.journal)
            for old in (*journal.all, journal.shared):  # of an earlier fetch: it does not know what has come since
                old.unlink(missing_ok=True)
            for file in files:
                target = paths.root / file.relative_to(unpacked)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
    except (ValueError, tarfile.TarError, EOFError, zlib.error) as error:
        raise DamagedResults(f"the archive that came from {cluster.name} is damaged: {error}") from error
    except OSError as error:
        raise UserError(f"cannot write what was fetched to {paths.root}: {error}") from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return Fetched(paths.root, len(files), total, piece.running)
