"""Where a sweep's journal lives: in its results, or on local disk with a copy in the results (ADR 9)."""

import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Final

from orchestrator.errors import DamagedResults, InfrastructureLost, ResultsGone, ResultsRemoved, UserError
from orchestrator.store.connection import checked, connect
from orchestrator.store.files import copy_durably, damaged
from orchestrator.store.journal import Journal
from orchestrator.store.local_disk import folder_of, is_network
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.sealing import stamp
from orchestrator.store.sealing.inspection import JournalFiles, inspect, refuse_damage
from orchestrator.store.sealing.page_checksums import PageChecksums
from orchestrator.store.tables import Checksums
from results_schema import still_to_run
from trainables.data.files import JOURNAL

SESSION: Final = "session"
"""Key in `meta`: the sweep that wrote last. A journal and a copy that have the same are of one line: the copy is older."""
LIVES_AT: Final = "lives_at"
"""Key in `meta` of a copy alone: where the journal was when it was copied. A sweep that ends well takes it away."""
COPIED_AT: Final = "copied_at"
"""Key in `meta` of a copy alone: when, as ISO 8601."""


def _nothing() -> None:
    return


class JournalPlace:
    """What the sweep asks of it. The journal lies where its results are."""

    def __init__(self, paths: ResultsPaths, check: Callable[[], None] = _nothing) -> None:
        """check: raises LockedResults where the results have another holder by now."""
        self._paths, self._check = paths, check

    @property
    def journal(self) -> Path:
        """The file that the sweep writes."""
        return self._paths.journal

    @property
    def published(self) -> Path:
        """What the tables are made of: they never tell more than the journal that lies beside them."""
        return self._paths.journal

    def opened(self, journal: Journal) -> str | None:
        """The sweep has the journal open. What its user should know of the one before."""
        return _note_on_last_sweep(journal)  # the directory may have come from a network file system

    def check(self) -> None:
        """Raises LockedResults, ResultsGone where what would be put in place now is not for these results any more."""
        self._check()

    def publish(self) -> None:
        """Let others have what is committed. Raises InfrastructureLost, LockedResults."""
        self._check()

    def finish(self) -> None:
        """The journal is closed, and the sweep at its end. Raises InfrastructureLost, LockedResults."""


class OnLocalDisk(JournalPlace):
    """The journal lies on this machine's disk; the results have a copy of it, replaced as a whole."""

    def __init__(self, paths: ResultsPaths, check: Callable[[], None], *, repairing: bool = False) -> None:
        """Fetches the newest journal. repairing: damage is not refused."""
        super().__init__(paths, check)
        self._folder = folder_of(paths)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not repairing and (found := journal_on_disk(paths)) is not None:
            _refuse(found, paths)
        if _is_newer(self.journal, paths):
            return
        if paths.journal.exists():
            self._fetch(repairing=repairing)
        else:
            self._clear()  # of results that were deleted since

    @property
    def journal(self) -> Path:
        return self._folder / JOURNAL

    @property
    def published(self) -> Path:
        return self._folder / "published.sqlite"

    def opened(self, journal: Journal) -> str | None:
        message = super().opened(journal)
        journal.remember(SESSION, token_hex(8))
        journal.commit()
        self.publish()
        for kept in self._folder.glob("journal-version-*.sqlite"):  # what it was before it was carried over (ADR 6)
            copy_durably(kept, self._paths.root / kept.name)
        return message

    def publish(self) -> None:
        self._publish(ended=False)

    def finish(self) -> None:
        try:
            self._publish(ended=True)
        except ResultsGone as gone:
            if gone.now is None or isinstance(gone, ResultsRemoved):
                raise self._not_copied(gone) from gone
            self._paths, self._check = ResultsPaths(gone.now), _nothing  # it is there that they are looked for
            self._publish(ended=True)
        self._clear()

    def _publish(self, *, ended: bool) -> None:
        number = self._snapshot(ended=ended)
        try:
            self._replace_copy(number)
        except OSError as error:
            raise self._not_copied(error) from error

    def _not_copied(self, error: Exception) -> InfrastructureLost:
        return InfrastructureLost(
            f"cannot copy the journal into {self._paths.root}: {error}; it is intact in {self.journal} on"
            f" {socket.gethostname()}: the same command there goes on with it"
        )

    def _replace_copy(self, number: int) -> None:
        copy = JournalFiles(self._paths.journal)
        self._check()
        # a copy without page checksums is intact, one with another's is not
        copy.page_checksums.unlink(missing_ok=True)
        copy_durably(self.published, copy.main)
        for old in (copy.log, copy.shared, copy.wal_watermark):  # of a sweep that ran there before it was a network
            old.unlink(missing_ok=True)
        with self.published.open("rb") as file:
            PageChecksums.of(file, number).write(copy.page_checksums)

    def _snapshot(self, *, ended: bool) -> int:
        """The committed journal as one file that nobody writes: a reader over a network needs no lock on it. Its number for
        its page checksums.
        """
        temporary = self._folder / "published.tmp"
        temporary.unlink(missing_ok=True)
        marks = {} if ended else {LIVES_AT: self._address(), COPIED_AT: _now()}
        with (
            closing(connect(self.journal, read_only=True)) as journal,
            closing(connect(temporary)) as copy,
            checked(temporary),
        ):
            journal.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", marks.items())
            # of one that no sweep has opened here: `orch repair` has made it, and a copy is known by having one
            copy.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (SESSION, token_hex(8)))
            number = stamp.put_on(copy, 0)
        temporary.replace(self.published)
        return number

    def _fetch(self, *, repairing: bool) -> None:
        if not repairing:
            refuse_damage(self._paths.journal)  # named where its user knows it
        self._clear()
        # the journal last: without it there is nothing to be taken for newer
        for source in reversed(JournalFiles(self._paths.journal).all):
            if source.exists():
                copy_durably(source, self._folder / source.name)

    def _clear(self) -> None:
        self.journal.unlink(missing_ok=True)  # first: without what belongs to it, it would be taken for damaged
        for file in self._folder.iterdir():
            if not file.name.startswith("."):  # the lock, which we hold
                file.unlink()

    def _address(self) -> str:
        return f"{socket.gethostname()}:{self.journal}"


def place_of(paths: ResultsPaths, check: Callable[[], None], *, repairing: bool = False) -> JournalPlace:
    """For the one who holds the results' lock. repairing: of the newest journal, however damaged it is (`orch repair`).

    Raises UserError, DamagedResults, InfrastructureLost.
    """
    if not is_network(paths.root):
        return JournalPlace(paths, check)
    try:
        return OnLocalDisk(paths, check, repairing=repairing)
    except OSError as error:
        raise InfrastructureLost(f"cannot keep the journal of {paths.root} on local disk: {error}") from error


def journal_to_read(paths: ResultsPaths) -> Path:
    """The newest journal that this machine has: the sweep's own where it runs or was cut off here, else the copy.

    Raises DamagedResults where that is on local disk, and cannot be read.
    """
    local = _local(paths)
    if local is None or not _is_newer(local, paths):
        return paths.journal
    if _line(local) is None:
        raise damaged(local, "it cannot be read", paths.root)
    return local


def journal_on_disk(paths: ResultsPaths) -> Path | None:
    """Where the results lie on a network file system: the journal on this machine's disk, if a sweep here would go on
    with it. Also one that is damaged, whosever it was: nobody may replace that unasked.
    """
    local = _local(paths)
    if local is None or not local.exists() or not (paths.journal.exists() or paths.checksums.exists()):
        return None
    return local if _is_newer(local, paths) or inspect(JournalFiles(local)).faults else None


def _local(paths: ResultsPaths) -> Path | None:
    if not is_network(paths.root):
        return None
    try:
        return folder_of(paths) / JOURNAL
    except UserError:  # no local disk: no sweep has run here
        return None


def _refuse(local: Path, paths: ResultsPaths) -> None:
    refuse_damage(local, paths.root)
    if _line(local) is None:
        raise damaged(local, "it cannot be read", paths.root)


@dataclass(frozen=True, slots=True)
class _Line:
    """Whose journal it is."""

    directory: str | None
    session: str | None


def _line(path: Path) -> _Line | None:
    """None where it is damaged. Raises UserError, InfrastructureLost."""
    try:
        with closing(connect(path, read_only=True)) as db, checked(path):
            found = dict(db.execute("SELECT key, value FROM meta WHERE key IN ('directory_id', ?)", (SESSION,)))
    except (DamagedResults, sqlite3.OperationalError):  # the latter where its table is not there
        return None
    return _Line(found.get("directory_id"), found.get(SESSION))


def _is_newer(local: Path, paths: ResultsPaths) -> bool:
    """Whether the journal on local disk is what the copy was made of, or may be: one that cannot be read does not tell.

    A copy that is damaged or gone is made anew of it.
    """
    if not local.exists():
        return False
    of_local = _line(local)
    if paths.journal.exists():
        of_copy = _line(paths.journal)
        return of_local is None or of_copy is None or of_copy == of_local
    if not paths.checksums.exists():
        return False  # the results were deleted
    try:
        return of_local is None or Checksums.read(paths.checksums).directory_id == of_local.directory
    except DamagedResults:
        return True


def _note_on_last_sweep(journal: Journal) -> str | None:
    """Say what may be missing of the sweep before: it ended without its last copy, and the copy is what we go on with."""
    lives_at, copied_at = journal.meta(LIVES_AT), journal.meta(COPIED_AT)
    if lives_at is None or copied_at is None:
        return None
    journal.remember(LIVES_AT, None)
    journal.remember(COPIED_AT, None)
    host, _, path = lives_at.partition(":")
    counts = journal.counts()
    waited = still_to_run(counts)
    return (
        f"warning: the last sweep here was cut off on {host}. What it finished after {copied_at}, of the {waited} trials"
        f" that waited or ran then, is only in {path} there, and runs again. To keep it, stop this sweep and run the command"
        f" on {host}"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
