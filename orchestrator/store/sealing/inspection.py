"""Whether a journal's files are as they were written: main file against page checksums, its log against the watermark."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from orchestrator.errors import DamagedResults, OrchError
from orchestrator.store.files import content_of, damaged, irregularity, reading
from orchestrator.store.sealing import page_checksums, stamp, wal
from orchestrator.store.sealing.page_checksums import PageChecksums
from orchestrator.store.sealing.stamp import Stamp, stamps_in
from orchestrator.store.sealing.wal import NOTHING, WalWatermark

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class JournalFiles:
    """The files that make one journal. SQLite's own `-shm` holds nothing that is not made anew from these."""

    main: Path

    @property
    def log(self) -> Path:
        return self.main.with_name(f"{self.main.name}-wal")

    @property
    def shared(self) -> Path:
        return self.main.with_name(f"{self.main.name}-shm")

    @property
    def page_checksums(self) -> Path:
        return self.main.with_suffix(".seal")

    @property
    def wal_watermark(self) -> Path:
        return self.main.with_suffix(".mark")

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.main, self.log, self.page_checksums, self.wal_watermark)

    @property
    def opened(self) -> tuple[Path, ...]:
        """All that SQLite opens by its name, `-journal` too, which a database with a log has none of."""
        return (self.main, self.log, self.shared, self.main.with_name(f"{self.main.name}-journal"))

    @property
    def every(self) -> tuple[Path, ...]:
        return (*self.opened, self.page_checksums, self.wal_watermark)


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that is damaged."""

    path: Path
    what: str
    """In words."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What was found."""

    faults: tuple[Fault, ...]
    sealed: bool = False
    """Whether there are page checksums of this moment, which vouch for each page of the main file."""
    log_is_left: bool = False
    """Whether the log must not be read: it does not go on from this main file, nor end in it."""

    def damages(self, files: JournalFiles) -> bool:
        """Whether rows are lost or wrong. What lies beside them, as a log that was left, can be made anew."""
        faulty = {fault.path for fault in self.faults}
        return files.main in faulty or (files.log in faulty and not self.log_is_left)


def inspect(files: JournalFiles) -> Inspected:
    """Opens no database, and must not be called by a process that has this one open: closing a file ends its locks.

    Raises FileNotFoundError where there is no journal.
    """
    for _ in range(10):
        before = state(files)
        found = _inspect(files)
        if not found.faults or state(files) == before:  # else a sweep writes here, and we have seen two moments
            return found
    return found


def state(files: JournalFiles) -> list[bytes]:
    """Another one after each commit and carrying over: whoever finds damage looks again where it has changed meanwhile."""
    found = []
    for path in (files.page_checksums, files.wal_watermark):
        with suppress(FileNotFoundError, OrchError):
            found.append(content_of(path))
    return found


def _inspect(files: JournalFiles) -> Inspected:
    if others := tuple(Fault(path, what) for path in files.every if (what := irregularity(path)) is not None):
        return Inspected(others)  # nothing more can be said before they are gone
    faults: list[Fault] = []
    watermark = _sound(WalWatermark.read, files.wal_watermark, faults)
    checksums = _sound(PageChecksums.read, files.page_checksums, faults)
    log = content_of(files.log) if files.log.exists() else b""
    pages = _pages(files.main, log, checksums)
    faults += [Fault(files.log, what) for what in _of_log(watermark, log, pages)]
    if checksums is None and watermark is not None and watermark != NOTHING and not faults:
        faults.append(Fault(files.page_checksums, "it is missing"))
    bad = pages.bad
    if bad and checksums is not None and stamp.is_of_another_moment(checksums.stamp, pages.stamp, pages.stamps_in_log):
        bad, checksums = [], None
        faults.append(Fault(files.page_checksums, "it is of another moment than the journal: nothing vouches for that"))
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        faults.insert(0, Fault(files.main, f"page {shown} not as written"))
    return Inspected(tuple(faults), checksums is not None, pages.log_is_left)


def _sound(read: Callable[[Path], _T], path: Path, faults: list[Fault]) -> _T | None:
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except DamagedResults:
        faults.append(Fault(path, "it is not as it was written"))
        return None


@dataclass(frozen=True, slots=True)
class _Pages:
    """What the main file and the log have."""

    bad: list[int]
    """Numbers of those of the main file that are not as they were sealed, and that the log does not override."""
    stamp: Stamp | None
    stamps_in_log: list[Stamp]
    log_is_left: bool


def _pages(path: Path, log: bytes, checksums: PageChecksums | None) -> _Pages:
    with reading(path) as main:
        size = page_checksums.page_size(main) if checksums is None else checksums.page_size
        found = wal.committed(list(wal.frames(log, wal.salt_of(log), size, wal.HEADER)))
        main.seek(0)
        own, stamps = Stamp.of(main.read(size)), stamps_in(log, found)
        left = stamp.is_of_another_journal(stamps, own)
        covered = set[int]() if left else {frame.page for frame in found}
        bad = [] if checksums is None else checksums.differing(main, covered)
    return _Pages(bad, own, [] if left else stamps, left)


def _of_log(watermark: WalWatermark | None, log: bytes, pages: _Pages) -> Iterator[str]:
    if pages.log_is_left:
        yield "it was left by a copy from another time, and does not belong to this journal"
        if watermark is not None and watermark.size:
            yield "what was committed last is missing"
    elif watermark is not None and (what := _missing(watermark, log)) is not None:
        yield what


def _missing(watermark: WalWatermark, log: bytes) -> str | None:
    """What the log lacks of what was committed."""
    if watermark.size == 0:
        return None
    if len(log) < watermark.size:
        return f"{watermark.size - len(log)} bytes of what was committed are missing"
    if blake2b(log[: watermark.size], digest_size=16).hexdigest() != watermark.digest:
        return "what was committed is not as it was written"
    return None


def refuse_log_that_was_left(files: JournalFiles) -> None:
    """For who reads, before the database is opened: SQLite would take what stands in it for newer than the journal.

    Raises DamagedResults.
    """
    if not files.log.exists() or files.log.stat().st_size <= wal.HEADER or not files.main.exists():
        return
    with suppress(DamagedResults, FileNotFoundError):
        if WalWatermark.read(files.wal_watermark).salt == _salt(files.log):
            return  # the usual case: a sweep writes it, or was killed
    if inspect(files).log_is_left:
        raise DamagedResults(
            f"{files.log} was left by a copy from another time than {files.main.name}; `orch repair {files.main.parent}`"
            " sets it aside"
        )


def _salt(log: Path) -> str:
    with reading(log) as file:
        return wal.salt_of(file.read(wal.HEADER)).hex()


def refuse_damage(path: Path, results: Path | None = None) -> None:
    """For a sweep, before it opens its journal. results: the directory to be repaired, where the journal lies elsewhere.

    Raises DamagedResults, naming the first damaged file.
    """
    files = JournalFiles(path)
    others = tuple(Fault(other, what) for other in files.every if (what := irregularity(other)) is not None)
    empty = not path.exists() or not path.stat().st_size
    faults = others if others or empty else inspect(files).faults
    if faults:
        first = faults[0]
        raise damaged(first.path, first.what, results or path.parent)
