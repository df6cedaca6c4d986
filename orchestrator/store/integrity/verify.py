"""`orch verify`: every file against its checksum, every row against those that it belongs to. Writes nothing."""

import json
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults, OrchError, UserError
from orchestrator.store import tables
from orchestrator.store.connection import checked, connect, look, read_copy, tells_of_damage
from orchestrator.store.fetched import read_fetched
from orchestrator.store.files import damaged, digest_of, irregularity, link_on_the_way, not_permitted, reading
from orchestrator.store.integrity.predictions import KeptAnswers, prediction_verdicts
from orchestrator.store.integrity.verdict import FileVerdict
from orchestrator.store.lock import unexpected_paths
from orchestrator.store.lock_note import living_holder
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import SESSION, journal_on_disk, journal_to_read
from orchestrator.store.rekeying.trials import renamed_trials
from orchestrator.store.sealing.inspection import Inspected, JournalFiles, inspect, state
from orchestrator.store.sql import TRIALS_AND_CELLS, among, columns_there
from orchestrator.store.tables import Checksums, KeptFile
from orchestrator.store.version import table_version
from results_schema import TABLES, TRAINED, TRIAL_TABLES, TRIALS, Table

_T = TypeVar("_T")

# Checkpoints of trials that have not ended, against the checksums inside them.

_LOST = "its trial goes on from an earlier one, or from its beginning"


def checkpoint_verdicts(paths: ResultsPaths) -> Iterator[FileVerdict]:
    root = paths.checkpoints
    if not root.is_dir():
        return
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        yield from _of_trial(folder, paths.root)


def _of_trial(folder: Path, root: Path) -> Iterator[FileVerdict]:
    from trainables.errors import CheckpointError
    from trainables.training import checkpoints  # torch, which only who has checkpoints has to wait for

    for epoch in checkpoints.epochs(folder):
        path = folder / f"epoch-{epoch}.json"
        name = path.relative_to(root).as_posix()
        try:
            text, tensors = checkpoints.raw(folder, epoch)
            checkpoints.parsed(text, tensors)
            plain = json.dumps(json.loads(text)).encode() == text  # 1e-05 and 1E-05 are the same number
            yield FileVerdict(name, None if plain else f"it is not as it was written: {_LOST}")
        except FileNotFoundError:
            if path.exists():
                yield FileVerdict(name, f"its tensors are gone: {_LOST}")
        except (CheckpointError, OSError) as error:
            if path.exists():  # else its trial has gone on meanwhile
                yield FileVerdict(name, f"it {error}: {_LOST}")


# Tables, and what trials have left, against their checksums.

_WITH_CHECKSUMS: Final = 4
"""Version of the results from which on an export writes checksums before its tables."""


def has_checksums(paths: ResultsPaths) -> bool:
    """Whether an orch has finished an export here that seals what it writes. What an older one left has no checksums,
    and neither has what a sweep left that was killed before.
    """
    written = any((table_version(paths.table(table.name)) or 0) >= _WITH_CHECKSUMS for table in TABLES)
    return written or paths.checksums.exists()


def table_verdicts(paths: ResultsPaths) -> Iterator[FileVerdict]:
    must = has_checksums(paths)
    try:
        known = Checksums.read(paths.checksums)
    except DamagedResults:
        damage = irregularity(paths.checksums) or "it is not as it was written"
        yield FileVerdict(paths.checksums.name, f"{damage}: nothing vouches for tables and weights")
        return
    if paths.checksums.exists():
        yield FileVerdict(paths.checksums.name, None)
    elif must:
        yield FileVerdict(paths.checksums.name, "it is gone: nothing vouches for tables and weights")
    ids, rows = _of_journal(paths, _trial_ids), _rows_are(paths)
    for table in TABLES:
        path = paths.table(table.name)
        if (what := irregularity(path)) is not None:
            yield FileVerdict(path.name, f"{what}; {rows}")
        elif path.exists():
            found = _table(table, paths, known, ids)
            if (
                not found.intact and (later := _of_journal(paths, _trial_ids)) != ids
            ):  # a sweep has planned trials since
                found = _table(table, paths, known, later)
            yield found
        elif not known.may_be_absent(path.name):
            yield FileVerdict(path.name, f"it is gone; {rows}")


def _rows_are(paths: ResultsPaths) -> str:
    """Where the rows are of a table that is damaged."""
    return "copy it again from where it was kept" if only_tables(paths) else "the journal has its rows"


def kept_verdicts(paths: ResultsPaths) -> Iterator[FileVerdict]:
    try:
        known = Checksums.read(paths.checksums).kept
    except DamagedResults:
        return
    for name, kept in known.items():
        yield _kept(paths, name, kept)


def _kept(paths: ResultsPaths, name: str, kept: KeptFile) -> FileVerdict:
    path = paths.root / name
    what = "weights" if name.startswith("weights/") else "image" if name.startswith("pictures/") else "copy"
    if (link := link_on_the_way(paths.root, name)) is not None:
        return FileVerdict(name, f"{link} is no folder of these results: the {what} cannot be trusted")
    if (other := irregularity(path)) is not None:
        return FileVerdict(name, f"{other}: the {what} cannot be had again without running the trial")
    if not path.exists():
        return FileVerdict(name, f"it is gone: the {what} cannot be had again without running the trial")
    if digest_of(path) == kept.digest:
        return FileVerdict(name, None)
    try:
        renewed = Checksums.read(paths.checksums).kept.get(name) != kept
    except DamagedResults:
        renewed = False
    return FileVerdict(name, None if renewed else f"it is not as it was written: the {what} cannot be trusted")


def _table(table: Table, paths: ResultsPaths, known: Checksums, ids: set[str] | None) -> FileVerdict:
    path = paths.table(table.name)
    try:
        found = tables.read(table, paths)
    except DamagedResults as error:
        what = str(error).partition(" is damaged: ")[2].rpartition(";")[0]
        return FileVerdict(path.name, f"{what}; {_rows_are(paths)}")
    if ids is not None and "trial_id" in table.columns:
        foreign = set(pc.unique(found["trial_id"]).to_pylist()) - ids
        if foreign:
            return FileVerdict(path.name, f"the journal does not know its trial {min(foreign)}")
    unknown = "" if path.name in known.tables else ", no checksum yet: a sweep or `orch repair` writes it"
    older = ", older than the journal: the next sweep writes it anew" if _is_older(table, paths, ids) else ""
    return FileVerdict(path.name, None, f"{found.num_rows} rows{unknown}{older}")


def _is_older(table: Table, paths: ResultsPaths, ids: set[str] | None) -> bool:
    """Whether the tables of trials, told of at the first of them, have not all trials yet."""
    return (
        table is TRIALS
        and ids is not None
        and sum(_rows_of_table(paths.table(each.name)) for each in TRIAL_TABLES) < len(ids)
    )


def _rows_of_table(path: Path) -> int:
    """None of one that is damaged, of which more is told there."""
    try:
        with reading(path) as file:
            return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError, OrchError):
        return 0


def _of_journal(paths: ResultsPaths, read: Callable[[sqlite3.Connection], _T]) -> _T | None:
    """What is read of the journal; None where it cannot tell."""
    try:
        newest = journal_to_read(paths)
        if inspect(JournalFiles(newest)).faults:
            return None
        with closing(_opened(paths, newest)) as db:
            return read(db)
    except Exception:  # noqa: BLE001 - said of the journal itself
        return None


def _trial_ids(db: sqlite3.Connection) -> set[str]:
    # tables of before its trials were renamed are right until the next export
    return set(renamed_trials(db)) | {trial_id for (trial_id,) in db.execute("SELECT trial_id FROM trials")}


# A journal against its page checksums, its watermark, and its own rows.

_LOOKS = 10


def journal_verdicts(paths: ResultsPaths, journal: Path) -> list[FileVerdict]:
    """Of the journal in the results, or of the one on this machine's disk of which that is a copy (ADR 9).

    Raises UserError where it cannot be read.
    """
    files = JournalFiles(journal)
    for _ in range(_LOOKS):
        before = state(files)
        try:
            found = list(_journal_verdicts(paths, files))
        except OSError as error:
            raise UserError(f"cannot read {journal}: {error}") from error
        if all(verdict.intact for verdict in found) or state(files) == before:
            return found  # else a sweep writes here, and we have seen two moments
    return found


def _journal_verdicts(paths: ResultsPaths, files: JournalFiles) -> Iterator[FileVerdict]:
    found = inspect(files)
    faulty = {fault.path: fault.what for fault in found.faults}
    if _is_unused(paths, files):
        yield FileVerdict(
            _name(paths, files.main), None, "empty: the sweep that made it ended before its first statement"
        )
    elif files.main not in faulty:
        verdict, copied = _rows(paths, files.main, found)
        yield verdict
        if not copied and has_checksums(paths):
            faulty |= {path: "it is gone" for path in (files.page_checksums, files.wal_watermark) if not path.exists()}
    for path in files.every:
        if path in faulty:
            yield FileVerdict(_name(paths, path), faulty[path])
        elif path.exists() and path in (files.log, files.page_checksums, files.wal_watermark):
            yield FileVerdict(_name(paths, path), None)


def _name(paths: ResultsPaths, path: Path) -> str:
    return path.name if path.parent == paths.root else str(path)


def _is_unused(paths: ResultsPaths, files: JournalFiles) -> bool:
    """Empty, and nothing beside it tells that it ever was otherwise."""
    others = (files.page_checksums, paths.checksums, *(paths.table(table.name) for table in TABLES))
    empty = all(not path.exists() or not path.stat().st_size for path in (files.main, files.log))
    return empty and not any(path.exists() for path in others)


def _rows(paths: ResultsPaths, journal: Path, inspected: Inspected) -> tuple[FileVerdict, bool]:
    """What the rows say, and whether it may be a copy (`RowsFound.copied`)."""
    name = _name(paths, journal)
    try:
        with closing(_opened(paths, journal, log_is_left=inspected.log_is_left)) as db, checked(journal):
            found = contradictions(db, deep=not inspected.sealed)
    except DamagedResults as error:
        return FileVerdict(name, str(error)), True
    unsealed = "" if inspected.sealed else ", not sealed yet: a sweep or `orch repair` does that"
    detail = f"{found.trials} trials{unsealed}"
    return FileVerdict(name, "; ".join(found.problems) or None, "" if found.problems else detail), found.copied


def _opened(paths: ResultsPaths, journal: Path, *, log_is_left: bool = False) -> sqlite3.Connection:
    """To read without a trace, also while another process writes it. Raises DamagedResults."""
    holder = living_holder(paths)
    if holder is not None and (holder.pid, holder.host) != (os.getpid(), socket.gethostname()):
        return connect(journal, read_only=True)
    if not journal.stat().st_size:
        raise damaged(journal, "it is empty", paths.root)
    if not JournalFiles(journal).log.exists():
        return look(journal)
    return read_copy(journal, with_log=not log_is_left)


def verify(paths: ResultsPaths) -> Iterator[FileVerdict]:
    """Of one that is known to be of orch (`results_at`). Raises UserError where it may not be read."""
    try:
        yield from _verdicts(paths)
    except PermissionError as error:
        raise not_permitted(paths.root, error) from error


def _verdicts(paths: ResultsPaths) -> Iterator[FileVerdict]:
    if paths.journal.exists() or paths.journal.is_symlink():
        yield from journal_verdicts(paths, paths.journal)
    else:
        yield _no_journal(paths)
    if (local := journal_on_disk(paths)) is not None:
        yield from journal_verdicts(paths, local)
    yield from table_verdicts(paths)
    yield from prediction_verdicts(paths, _of_journal(paths, KeptAnswers.read))
    yield from kept_verdicts(paths)
    yield from checkpoint_verdicts(paths)
    for found in unexpected_paths(paths):
        yield FileVerdict(found.path.relative_to(paths.root).as_posix(), found.what)


def _no_journal(paths: ResultsPaths) -> FileVerdict:
    name = paths.journal.name
    if (cluster := left_on(paths)) is not None:
        return FileVerdict(name, None, f"on {cluster}, where the sweep ran when this was fetched: here are its tables")
    if only_tables(paths):
        return FileVerdict(
            name, None, "none was kept: here are tables alone, each as its checksum has it or named below"
        )
    return FileVerdict(name, "it is gone: what runs or waits is not known any more")


def only_tables(paths: ResultsPaths) -> bool:
    """Whether tables and their checksums were kept without any file of a sweep: a copy to read, which lacks nothing."""
    of_a_sweep = (*JournalFiles(paths.journal).every, paths.lock, paths.checkpoints)
    left = any(path.exists() or path.is_symlink() for path in of_a_sweep)
    return paths.checksums.exists() and not left and journal_on_disk(paths) is None


def left_on(paths: ResultsPaths) -> str | None:
    """The cluster on which the journal stayed, as its sweep ran while this copy of its tables was fetched."""
    note = read_fetched(paths)
    return note.cluster if note is not None and note.running and not paths.journal.exists() else None


# Rows of a journal that cannot all be true.

_OF_TRIALS: Final = {table.name: table.key[0] for table in TABLES if table.of_trial or table.of_measurement} | {
    "logs": "trial_id"
}
"""Tables whose rows are a trial's or a measurement's, and the column that says whose."""


@dataclass(frozen=True, slots=True)
class RowsFound:
    """What a look at the rows gave."""

    problems: tuple[str, ...]
    trials: int
    copied: bool
    """Whether it is, or was, a copy of a journal elsewhere, which has no watermark, and no page checksums for a moment."""


def contradictions(db: sqlite3.Connection, *, deep: bool) -> RowsFound:
    """deep: look at SQLite's own structure too, where no page checksums vouch for it. Raises DamagedResults."""
    try:
        return _found(db, deep=deep)
    except UnicodeDecodeError as error:
        raise _unreadable(error) from error
    except sqlite3.DatabaseError as error:
        # here a table or a column may be gone, which SQLite takes for a statement that is wrong
        if tells_of_damage(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            raise _unreadable(error) from error
        raise


def _unreadable(error: Exception) -> DamagedResults:
    return DamagedResults(f"it cannot be read: {error}")


def _found(db: sqlite3.Connection, *, deep: bool) -> RowsFound:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return RowsFound((), 0, copied=False)  # a sweep that was killed before its first statement
    version = db.execute("SELECT value FROM meta WHERE key = 'results_version'").fetchone()
    problems = []
    if deep:
        verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        problems += [] if verdict == "ok" else [str(verdict)]
    if version is None or not str(version[0]).isdecimal():
        problems.append("it does not say which version it has")
    cells = TRIALS_AND_CELLS if "config_id" in columns_there(db, "trials") else "trials JOIN cells USING (cell_id)"
    queries = {
        "trials without their cell": f"SELECT count(*) FROM trials WHERE trial_id NOT IN (SELECT trial_id FROM {cells})",
        "ended trials without the attempt that ended them": (
            "SELECT count(*) FROM trials WHERE attempts > 0 AND NOT EXISTS (SELECT 1 FROM attempts"
            " WHERE attempts.trial_id = trials.trial_id AND attempts.attempt = trials.attempts)"
        ),
        "epochs beyond the end of their trial": (
            "SELECT count(*) FROM epochs JOIN trials USING (trial_id)"
            f" WHERE trials.status IN {among(TRAINED)} AND epochs.epoch > trials.epochs"
        ),
    }
    for table, whose in _OF_TRIALS.items():
        if table in tables:
            queries[f"{table} of a trial that is not there"] = (
                f"SELECT count(*) FROM {table} WHERE {whose} NOT IN (SELECT trial_id FROM trials)"
            )
    for what, query in queries.items():
        if count := db.execute(query).fetchone()[0]:
            problems.append(f"{count} {what}")
    copied = db.execute("SELECT 1 FROM meta WHERE key = ?", (SESSION,)).fetchone() is not None
    return RowsFound(tuple(problems), db.execute("SELECT count(*) FROM trials").fetchone()[0], copied)
