"""SQLite as the store uses it: how a file is opened, and what SQLite's errors say to a user."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from errno import EACCES
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Final

from orchestrator.errors import InfrastructureLost, OrchError, UserError
from orchestrator.store.files import damaged, not_permitted, reading, refuse_other_than_file
from orchestrator.store.local_disk import is_network
from orchestrator.store.sealing.inspection import JournalFiles


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that begins and ends its transactions only when told to.

    Raises as `checked` does, and DamagedResults where no file lies: SQLite would wait for a FIFO, and write through a link.
    """
    _refuse_others(path, followed=read_only)
    if read_only and path.is_symlink():
        return look(path)
    if read_only and (is_network(path) or not os.access(path.parent, os.W_OK)):
        if _cannot_be_shared(path):
            return read_copy(path)
        # a copy that is only ever replaced needs no lock, which a network may not know; and none can be made where
        # nobody may write
        return look(path)
    address = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    with checked(path):
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


def look(path: Path) -> sqlite3.Connection:
    """To read a few rows without a trace: no lock, no `-shm` file. Where there is a log, somebody may write, and SQLite's
    locks are needed after all. Raises as `connect` does.
    """
    _refuse_others(path, followed=True)
    if path.is_symlink():
        return _elsewhere(path.resolve())
    lasting = "" if JournalFiles(path).log.exists() else "&immutable=1"
    with checked(path):
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro{lasting}", uri=True, isolation_level=None, check_same_thread=False
        )


def _elsewhere(path: Path) -> sqlite3.Connection:
    """What a link leads to, which is not ours: nothing is made beside it."""
    return read_copy(path) if JournalFiles(path).log.exists() else look(path)


def _refuse_others(path: Path, *, followed: bool) -> None:
    refuse_other_than_file(path, followed=followed)
    for file in JournalFiles(path.resolve()).opened:
        refuse_other_than_file(file, followed=False)


def _cannot_be_shared(path: Path) -> bool:
    """Whether there is a log, and not the file by which SQLite shares it: on a disk that cannot be written none is made."""
    files = JournalFiles(path)
    return files.log.exists() and files.log.stat().st_size > 0 and not files.shared.exists()


def read_copy(path: Path, *, with_log: bool = True) -> sqlite3.Connection:
    """A journal that nobody writes, in memory: nothing is made beside it. with_log: whether what its log has belongs to it.

    Raises as `checked` does.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with checked_io(path), TemporaryDirectory(prefix="orch-") as folder:
        for source in (path, JournalFiles(path).log) if with_log else (path,):
            with suppress(FileNotFoundError), reading(source) as content, Path(folder, source.name).open("xb") as copy:
                copyfileobj(content, copy)
        with closing(sqlite3.connect(Path(folder, path.name))) as db:
            db.backup(memory)
    return memory


@contextmanager
def checked(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: DamagedResults where it has found damage, UserError (permissions), InfrastructureLost (no
    space, no memory, locked, a disk that fails).

    What would be a mistake of this program stays as it is.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if (meaning := _meaning(error, path)) is None:
            raise
        raise meaning from error
    except MemoryError as error:  # what Python makes of SQLITE_NOMEM
        raise _no_memory(error, path) from error
    except UnicodeDecodeError as error:  # SQLite quotes a damaged schema in its message
        raise damaged(path, str(error), path.parent) from error


@contextmanager
def checked_io(path: Path) -> Iterator[None]:
    """As `checked`, and what goes wrong with the files beside this one. Raises the same."""
    try:
        with checked(path):
            yield
    except (PermissionError, IsADirectoryError) as error:
        raise _not_permitted(error, path) from error
    except OSError as error:
        raise _no_room(error, path) from error


def tells_of_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite has found that the file is not what it wrote."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python's own: a text that is no UTF-8
        return "decode" in str(error)
    return code in _DAMAGE or code & 0xFF in _DAMAGE


def _meaning(error: sqlite3.DatabaseError, path: Path) -> OrchError | None:
    """From SQLite's result code, whose low byte is the primary one (sqlite.org/rescode.html). None where it is no fault of
    the file, the disk or the machine: a statement that is wrong, a value that does not fit, a call out of order.
    """
    if tells_of_damage(error):
        return damaged(path, str(error), path.parent)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return _of_code(code, error, path) or _of_code(code & 0xFF, error, path)


def _of_code(code: int, error: Exception, path: Path) -> OrchError | None:
    match code:
        case sqlite3.SQLITE_READONLY_ROLLBACK:
            told = f"{path} is still empty: its sweep was ended while it made the file; run the sweep again"
            return UserError(told)
        case sqlite3.SQLITE_NOMEM | sqlite3.SQLITE_IOERR_NOMEM:
            return _no_memory(error, path)
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_NOLFS | sqlite3.SQLITE_IOERR_FSYNC | sqlite3.SQLITE_IOERR_TRUNCATE:
            return _no_room(error, path)
        case sqlite3.SQLITE_IOERR_WRITE | sqlite3.SQLITE_IOERR_SHMSIZE:  # a quota, or a limit on a file's size
            return _no_room(error, path)
        case sqlite3.SQLITE_IOERR:
            return InfrastructureLost(f"cannot read {path}: {error}; check its disk, and {_AGAIN}")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return _not_permitted(error, path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return InfrastructureLost(f"another program keeps {path} locked; close it and run the same command again")
    return None


_AGAIN: Final = "run the same command again: everything finished is kept"


def _no_memory(error: Exception, path: Path) -> InfrastructureLost:
    return InfrastructureLost(f"not enough memory to work with {path} ({type(error).__name__}); free some and {_AGAIN}")


def _no_room(error: Exception, path: Path) -> InfrastructureLost:
    return InfrastructureLost(f"cannot write {path}: {error}; free disk space (or raise the quota) and {_AGAIN}")


def _not_permitted(error: Exception, path: Path) -> UserError:
    if path.exists() and not os.access(path, os.R_OK):
        return not_permitted(path, PermissionError(EACCES, os.strerror(EACCES), str(path)))
    return UserError(f"cannot open {path}: {error}; check its permissions, or use another --results")


_DAMAGE: Final = frozenset(
    [
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_DATA,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
    ]
)
