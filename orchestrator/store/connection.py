"""SQLite as the store uses it: how a file is opened, and what SQLite's errors say to a user."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import DamagedResults, InfrastructureLost, OrchError, UserError
from orchestrator.store.filesystem import is_network


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that begins and ends its transactions only when told to. Raises as `checked` does."""
    if read_only and (is_network(path) or not os.access(path.parent, os.W_OK)):
        # a copy that is only ever replaced needs no lock, which a network may not know; and none can be made where
        # nobody may write
        return look(path)
    address = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    with checked(path):
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


def look(path: Path) -> sqlite3.Connection:
    """To read a few rows without a trace: no lock, no `-shm` file. Where there is a log, somebody may write, and SQLite's
    locks are needed after all. Raises as `checked` does.
    """
    lasting = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    with checked(path):
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro{lasting}", uri=True, isolation_level=None, check_same_thread=False
        )


@contextmanager
def checked(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: DamagedResults, UserError (permissions), InfrastructureLost (no space, locked).

    What would be a mistake of this program stays as it is.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        raise _meaning(error, path) from error
    except UnicodeDecodeError as error:  # SQLite quotes a damaged schema in its message
        raise _damaged(error, path) from error


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """As `checked`, and what goes wrong with the seal and the mark beside the file. Raises the same."""
    try:
        with checked(path):
            yield
    except (PermissionError, IsADirectoryError) as error:
        raise UserError(f"cannot open {path}: {error}; check its permissions, or use another --results") from error
    except OSError as error:
        raise _no_room(error, path) from error


def _meaning(error: sqlite3.DatabaseError, path: Path) -> OrchError:
    """From SQLite's result code, whose low byte is the primary one (sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    if code == sqlite3.SQLITE_READONLY_ROLLBACK:
        return UserError(
            f"{path} has nothing in it yet: its sweep was ended while it made the file; run the sweep again"
        )
    match code & 0xFF:
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return _no_room(error, path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return UserError(f"cannot open {path}: {error}; check its permissions, or use another --results")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return InfrastructureLost(f"another program keeps {path} locked; close it and run the same command again")
        case _:
            return _damaged(error, path)


def _no_room(error: Exception, path: Path) -> InfrastructureLost:
    return InfrastructureLost(
        f"cannot write {path}: {error}; free disk space (or raise the quota) and run the same command again:"
        " everything finished is kept"
    )


def _damaged(error: Exception, path: Path) -> DamagedResults:
    return DamagedResults(f"{path} is damaged: {error}; `orch repair {path.parent}` mends what can be mended")
