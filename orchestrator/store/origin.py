"""Whether a results directory is one of orch, and of a version that this orch reads: asked before anything else is.

What another program wrote, or a newer orch, is not damaged: it is the wrong directory for this command, and nothing is
written there, not even a lock.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults, UserError
from orchestrator.store.connection import look
from orchestrator.store.files import reading
from orchestrator.store.inspection import JournalFiles, inspect
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.sql import columns_there
from results_schema import TABLES, TRIALS, VERSION

_SQLITE: Final = b"SQLite format 3\0"
_OURS: Final = frozenset({"trial_id", "cell_id", "seed"})
"""Columns of `trials` in a journal of any version."""


def refuse_strange(paths: ResultsPaths) -> None:
    """Raises UserError where the directory holds what another program, or a newer orch, has written."""
    if paths.journal.is_file() and paths.journal.stat().st_size:
        if not _known(paths) and not _is_journal(paths.journal):
            raise UserError(
                f"{paths.root}: its journal.sqlite is not one of orch; give a folder that `orch sweep` wrote, or a new one"
            )
        if (version := _journal_version(paths.journal)) > VERSION and not is_damaged(paths.journal):
            raise newer(paths.journal, version)
        return
    for table in TABLES:
        path = paths.table(table.name)
        if path.exists() and not paths.checksums.exists() and table_version(path) is None:
            raise UserError(
                f"{paths.root}: its {path.name} is not one of orch; give a folder that `orch sweep` wrote, or a new one"
            )
    if (version := table_version(paths.table(TRIALS.name)) or 0) > VERSION:
        raise newer(paths.table(TRIALS.name), version)


def newer(path: Path, version: int) -> UserError:
    """What a user is told of a file of a later version."""
    return UserError(f"{path} has results version {version}, this orch reads {VERSION}; use a newer orch")


def table_version(path: Path) -> int | None:
    """The results version that a table says it has; None where it is none of ours, or cannot be read."""
    try:
        with reading(path) as file:
            metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError, DamagedResults):
        return None
    version = metadata.get(b"results_version", b"")
    return int(version) if version.isdigit() else None


def is_damaged(journal: Path) -> bool:
    """Whether the seal says so: then nothing that the journal says of itself counts."""
    files = JournalFiles(journal)
    return files.main in {trouble.path for trouble in inspect(files).troubles}


def _known(paths: ResultsPaths) -> bool:
    """Whether files beside the journal say that it is ours, however damaged it may be."""
    files = JournalFiles(paths.journal)
    ours = (files.seal, files.mark, paths.checksums)
    return any(path.exists() for path in ours) or table_version(paths.table(TRIALS.name)) is not None


def _is_journal(path: Path) -> bool:
    """Also one that is damaged too much to tell."""
    with reading(path) as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return False
    try:
        with closing(look(path)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            columns = columns_there(db, "trials")
    except (sqlite3.Error, UnicodeDecodeError, DamagedResults):
        return True
    return not tables or ("meta" in tables and columns >= _OURS)


def _journal_version(path: Path) -> int:
    """0 where it does not say: that is damage, which others tell of."""
    try:
        with closing(look(path)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'results_version'").fetchone()
    except (sqlite3.Error, UnicodeDecodeError, DamagedResults):
        return 0
    return int(row[0]) if row is not None and str(row[0]).isdecimal() else 0
