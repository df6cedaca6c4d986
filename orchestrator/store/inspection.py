"""Whether a journal's files are as they were written: main file against seal, write-ahead log against mark."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from orchestrator.errors import DamagedResults, OrchError
from orchestrator.store import seal as wal
from orchestrator.store import stamp
from orchestrator.store.files import content_of, reading, strange
from orchestrator.store.seal import NOTHING, Mark, Seal
from orchestrator.store.stamp import Stamp, stamps_in

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
    def seal(self) -> Path:
        return self.main.with_suffix(".seal")

    @property
    def mark(self) -> Path:
        return self.main.with_suffix(".mark")

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.main, self.log, self.seal, self.mark)

    @property
    def opened(self) -> tuple[Path, ...]:
        """All that SQLite opens by its name, `-journal` too, which a database with a log has none of."""
        return (self.main, self.log, self.shared, self.main.with_name(f"{self.main.name}-journal"))

    @property
    def every(self) -> tuple[Path, ...]:
        return (*self.opened, self.seal, self.mark)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that is damaged."""

    path: Path
    what: str
    """In words."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What was found."""

    troubles: tuple[Trouble, ...]
    sealed: bool = False
    """Whether there is a seal of this moment, which vouches for each page of the main file."""
    log_is_left: bool = False
    """Whether the log must not be read: it does not go on from this main file, nor end in it."""

    def damages(self, files: JournalFiles) -> bool:
        """Whether rows are lost or wrong. What lies beside them (a seal, a mark, a log that was left) can be made anew."""
        troubled = {trouble.path for trouble in self.troubles}
        return files.main in troubled or (files.log in troubled and not self.log_is_left)


def inspect(files: JournalFiles) -> Inspected:
    """Opens no database, and must not be called by a process that has this one open: closing a file ends its locks.

    Raises FileNotFoundError where there is no journal.
    """
    for _ in range(10):
        before = state(files)
        found = _inspect(files)
        if not found.troubles or state(files) == before:  # else a sweep writes here, and we have seen two moments
            return found
    return found


def state(files: JournalFiles) -> list[bytes]:
    """Another one after each commit and each seal: whoever finds damage looks again where it has changed meanwhile."""
    found = []
    for path in (files.seal, files.mark):
        with suppress(FileNotFoundError, OrchError):
            found.append(content_of(path))
    return found


def _inspect(files: JournalFiles) -> Inspected:
    if others := tuple(Trouble(path, what) for path in files.every if (what := strange(path)) is not None):
        return Inspected(others)  # nothing more can be said before they are gone
    troubles: list[Trouble] = []
    mark = _sound(Mark.read, files.mark, troubles)
    seal = _sound(Seal.read, files.seal, troubles)
    log = content_of(files.log) if files.log.exists() else b""
    pages = _pages(files.main, log, seal)
    troubles += [Trouble(files.log, what) for what in _of_log(mark, log, pages)]
    if seal is None and mark is not None and mark != NOTHING and not troubles:
        troubles.append(Trouble(files.seal, "it is missing"))
    bad = pages.bad
    if bad and seal is not None and stamp.is_of_another_moment(seal.stamp, pages.stamp, pages.stamps_in_log):
        bad, seal = [], None
        troubles.append(Trouble(files.seal, "it is of another moment than the journal: nothing vouches for that"))
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        troubles.insert(0, Trouble(files.main, f"page {shown} not as written"))
    return Inspected(tuple(troubles), seal is not None, pages.log_is_left)


def _sound(read: Callable[[Path], _T], path: Path, troubles: list[Trouble]) -> _T | None:
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except DamagedResults:
        troubles.append(Trouble(path, "it is not as it was written"))
        return None


@dataclass(frozen=True, slots=True)
class _Pages:
    """What the main file and the log have."""

    bad: list[int]
    """Numbers of those of the main file that are not as they were sealed, and that the log does not override."""
    stamp: Stamp | None
    stamps_in_log: list[Stamp]
    log_is_left: bool


def _pages(path: Path, log: bytes, seal: Seal | None) -> _Pages:
    with reading(path) as main:
        size = wal.page_size(main) if seal is None else seal.page_size
        found = wal.committed(list(wal.frames(log, wal.salt_of(log), size, wal.HEADER)))
        main.seek(0)
        own, stamps = Stamp.of(main.read(size)), stamps_in(log, found)
        left = stamp.is_of_another_journal(stamps, own)
        covered = set[int]() if left else {frame.page for frame in found}
        bad = [] if seal is None else seal.differing(main, covered)
    return _Pages(bad, own, [] if left else stamps, left)


def _of_log(mark: Mark | None, log: bytes, pages: _Pages) -> Iterator[str]:
    if pages.log_is_left:
        yield "it was left by a copy of another moment, and is none of this journal"
        if mark is not None and mark.size:
            yield "what was committed last is not there"
    elif mark is not None and (what := _missing(mark, log)) is not None:
        yield what


def _missing(mark: Mark, log: bytes) -> str | None:
    """What the log lacks of what was committed."""
    if mark.size == 0:
        return None
    if len(log) < mark.size:
        return f"{mark.size - len(log)} bytes of what was committed are missing"
    if blake2b(log[: mark.size], digest_size=16).hexdigest() != mark.digest:
        return "what was committed is not as it was written"
    return None


def refuse_log_that_was_left(files: JournalFiles) -> None:
    """For who reads, before the database is opened: SQLite would take what stands in it for newer than the journal.

    Raises DamagedResults.
    """
    if not files.log.exists() or files.log.stat().st_size <= wal.HEADER or not files.main.exists():
        return
    with suppress(DamagedResults, FileNotFoundError):
        if Mark.read(files.mark).salt == _salt(files.log):  # the usual case: a sweep writes it, or was killed
            return
    if inspect(files).log_is_left:
        raise DamagedResults(
            f"{files.log} was left by a copy of another moment than {files.main.name}; `orch repair {files.main.parent}`"
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
    others = tuple(Trouble(other, what) for other in files.every if (what := strange(other)) is not None)
    empty = not path.exists() or not path.stat().st_size
    troubles = others if others or empty else inspect(files).troubles
    if troubles:
        first = troubles[0]
        raise DamagedResults(f"{first.path} is damaged ({first.what}); `orch repair {results or path.parent}` mends it")
