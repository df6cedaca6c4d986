"""The note beside the lock: who holds it, for others to read. The lock itself is the kernel's."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import psutil

from orchestrator.store.files import user_name
from orchestrator.store.paths import ResultsPaths
from trainables.data.files import being_written, read_regular

# Which process it is, of all that ever had its number.

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def born(pid: int) -> str | None:
    """When a process of this machine began: at which start of the machine, and how long after it. None where there is none.

    Whoever sets the clock changes nothing of it, as would be the case with a time of day.
    """
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        # proc(5): the name in brackets may hold anything, then follow the state and, as the 22nd field, the start in ticks
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if _BOOT.exists() else _by_the_clock(pid)
    return None if state in (b"Z", b"X") else f"{boot} {fields[18].decode()}"


def _by_the_clock(pid: int) -> str | None:
    """Where there is no Linux."""
    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


_LONGEST: Final = 1 << 16
"""Bytes of a note."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that writes to a results directory."""

    user: str
    host: str
    pid: int
    since: str
    """ISO 8601."""
    born: str = ""
    """When the process began, as `born` has it; empty in the note of an earlier orch."""

    @classmethod
    def own(cls) -> Self:
        pid = os.getpid()
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(user_name(), socket.gethostname(), pid, since, born(pid) or "")

    def __str__(self) -> str:
        since = self.since.replace("T", " ").replace("+00:00", " UTC")
        return f"{self.user} on {self.host}, process {self.pid}, since {since}"

    def lives(self) -> bool:
        """A sweep that was killed leaves its note behind; on another machine the note has to be believed."""
        if self.host != socket.gethostname():
            return True
        return born(self.pid) == self.born if self.born else _began_before(self.pid, self.since)


def write_note(paths: ResultsPaths, holder: Holder) -> None:
    """Raises OSError."""
    with being_written(paths.lock_holder) as file:
        file.write(json.dumps({**asdict(holder), "place": _place(Path(file.name))}).encode())


def read_note(paths: ResultsPaths) -> Holder | None:
    """None where there is none, or one that came with a copy of the directory, or that is no note."""
    try:
        note = json.loads(read_regular(paths.lock_holder, _LONGEST))
        place = note.pop("place", None)
        holder = Holder(**note)
        return holder if place in (None, _place(paths.lock_holder)) and _is_sensible(holder) else None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def living_holder(paths: ResultsPaths) -> Holder | None:
    """Who writes now. Never touches the lock itself: a sweep that starts at this moment must find it free."""
    note = read_note(paths)
    return note if note is not None and note.lives() else None


def _place(note: Path) -> list[int]:
    """Numbers that a copy of the directory does not have, and that are the same on each machine that shares it."""
    return [note.stat().st_ino, note.parent.stat().st_ino]


def _is_sensible(holder: Holder) -> bool:
    texts = all(isinstance(text, str) for text in (holder.user, holder.host, holder.since, holder.born))
    return texts and type(holder.pid) is int and 0 < holder.pid < 2**31


def _began_before(pid: int, since: str) -> bool:
    try:
        return psutil.Process(pid).create_time() <= datetime.fromisoformat(since).timestamp() + 1
    except (psutil.Error, ValueError, OverflowError):
        return False
