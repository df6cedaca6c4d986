"""Writes a journal's page checksums and watermark, so that they hold at any moment of a sweep.

SQLite changes the main file only when the write-ahead log is carried over into it (a checkpoint). That is done here and
nowhere else: pages into the main file, then its page checksums, then the watermark, and only then is the log emptied. So
at any moment each page of the main file is as its checksum has it, or stands in the log; whoever kills us between two
steps changes nothing of that.
"""

import os
import sqlite3
from contextlib import closing, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from orchestrator.errors import OrchError, ResultsGone
from orchestrator.store.connection import connect
from orchestrator.store.files import make_own
from orchestrator.store.identity import path_of, refuse_another
from orchestrator.store.sealing import stamp, wal
from orchestrator.store.sealing.inspection import JournalFiles
from orchestrator.store.sealing.page_checksums import PageChecksums
from orchestrator.store.sealing.wal import NOTHING, WalWatermark

CARRY_OVER: Final = 16 * 2**20
"""Bytes of the log beyond which it is carried over into the main file."""
PATIENCE_MS: Final = 5000
"""What a connection of Python's sqlite3 waits for a lock."""
CHUNK: Final = 2**20
"""Bytes of the log that are read at once."""

_never_closed: list[sqlite3.Connection] = []
"""A connection that nobody refers to closes itself."""


class JournalWriter:
    """For the one writer, who holds the results' lock. Raises OSError and what SQLite raises."""

    def __init__(self, path: Path) -> None:
        """Before the database is opened: closing a file ends all of this process's locks on it, so ours stays open."""
        self._files = JournalFiles(path)
        self._path = path
        for written in (path, self._files.log, self._files.shared, self._files.wal_watermark):
            make_own(written)
        self._main = os.fdopen(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666), "rb", buffering=0)
        if not self._files.wal_watermark.exists():
            NOTHING.create(self._files.wal_watermark)
        self._watermark = os.open(self._files.wal_watermark, os.O_RDWR | os.O_NOFOLLOW)
        self._log: int | None = None
        self._page_size = 0
        self._checksums: PageChecksums | None = None
        self._begin_log(b"")
        self._again = CARRY_OVER

    def begin(self, db: sqlite3.Connection) -> None:
        """The database is open, intact, and nothing is being written: from here on it is sealed."""
        db.execute("PRAGMA wal_autocheckpoint = 0")
        self._page_size = db.execute("PRAGMA page_size").fetchone()[0]
        if self._files.page_checksums.exists():
            self._checksums = PageChecksums.read(self._files.page_checksums)
        self._follow()
        self.carry_over(db)

    def committed(self, db: sqlite3.Connection) -> None:
        """After each commit, outside a transaction. Raises ResultsGone where another file is in the journal's place, or
        none: SQLite would go on writing what nobody finds any more.
        """
        if self._follow():
            self._write_watermark()
        self._refuse_another()
        if self._end >= self._again:
            self.carry_over(db)

    def carry_over(self, db: sqlite3.Connection) -> bool:
        """Bring the log into the main file and seal that. Whether the log is empty now: a reader may still use it.

        Raises ResultsGone: checksums that came to lie elsewhere would leave some here that are of another moment.
        """
        self._refuse_another()
        first = self._checksums is None
        number = stamp.put_on(db, 0 if self._checksums is None else self._checksums.stamp)
        committed = self._follow()
        if committed and not first:  # a watermark without page checksums says that these were lost
            self._write_watermark()
        busy, length, carried = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if self._checksums is None:
            self._checksums = PageChecksums.of(self._main, number)
        else:
            self._checksums = self._checksums.updated(self._main, self._changed, number)
        self._checksums.write(self._files.page_checksums)
        if committed and first:
            self._write_watermark()
        self._refuse_another()
        complete = not busy and length == carried
        if complete:
            NOTHING.write(self._watermark)
            os.fsync(self._watermark)
            db.execute("PRAGMA busy_timeout = 0")  # the sweep does not wait for who reads: there is a next time
            complete = not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            db.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        if complete:
            self._begin_log(b"")
        self._again = self._end + CARRY_OVER
        return complete

    def close(self, db: sqlite3.Connection) -> None:
        """Close the database too. What cannot be carried over now stays in the log, where it is as safe."""
        if self._main.closed:
            return
        emptied = False
        try:
            if self._checksums is not None and not db.in_transaction:
                with suppress(OSError, sqlite3.Error, ResultsGone):
                    emptied = self.carry_over(db)
        finally:
            if emptied:
                db.close()
            else:
                self._close_without_checkpoint(db)
            self._main.close()
            os.close(self._watermark)
            if self._log is not None:
                os.close(self._log)

    def _close_without_checkpoint(self, db: sqlite3.Connection) -> None:
        """SQLite carries the log over when the last connection closes, and removes it by its name, unless that one may only
        read. Where none can be opened, ours stays open until the process ends.
        """
        _never_closed.append(db)
        now = path_of(self._main.fileno())
        if now is None:
            return
        try:
            with closing(connect(now, read_only=True)) as last:
                with suppress(sqlite3.Error):
                    last.execute("SELECT 1 FROM sqlite_master").fetchone()
                db.close()
        except OrchError:
            return
        _never_closed.remove(db)

    def _refuse_another(self) -> None:
        refuse_another(self._path, self._main.fileno(), self._path.parent)

    def _begin_log(self, header: bytes) -> None:
        self._salt = wal.salt_of(header)
        self._end = len(header)
        self._digest = blake2b(header, digest_size=16)
        self._changed: set[int] = set()

    def _write_watermark(self) -> None:
        """Once the log is on the disk, since one that tells of more than the log holds says that some of it was lost."""
        assert self._log is not None, "a watermark is written once there is something in the log"
        os.fsync(self._log)
        WalWatermark(self._salt.hex(), self._end, self._digest.hexdigest()).write(self._watermark)

    def _follow(self) -> bool:
        """Read what joined the log. Whether something was committed."""
        if self._log is None:
            if not self._files.log.exists():
                return False
            self._log = os.open(self._files.log, os.O_RDONLY)
        header = os.pread(self._log, wal.HEADER, 0)
        if len(header) < wal.HEADER:
            return False
        if wal.salt_of(header) != self._salt:  # a new log, in the place of one that was carried over
            self._begin_log(header)
        before = read = self._end
        length = wal.FRAME_HEADER + self._page_size
        pending: list[bytes] = []
        while content := os.pread(self._log, max(1, CHUNK // length) * length, read):
            found = list(wal.frames(content, self._salt, self._page_size))
            self._changed.update(frame.page for frame in found)
            known = content[: len(found) * length]
            if done := len(wal.committed(found)) * length:
                for part in (*pending, known[:done]):
                    self._digest.update(part)
                self._end = read + done
                pending.clear()
            pending.append(known[done:])
            read += len(known)
            if len(known) < len(content):
                break
        return self._end > before
