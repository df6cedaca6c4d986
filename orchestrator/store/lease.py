"""A lock between machines, of plain files: what locks a file on one machine may mean nothing on the other (ADR 9).

Who holds the results writes a numbered file and changes it every few seconds. The greatest number holds. Another machine
takes the next number, which only one can make, once a file has said that it is over or has not changed for long
enough, by its own clock. A holder that was overtaken sees it at its next beat, and before it puts anything in place.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Final, Self

from filelock import FileLock, Timeout

from orchestrator.errors import LockedResults
from orchestrator.store.files import replace_durably, strange
from orchestrator.store.names import leads_out
from trainables.regular_file import read_regular
from trainables.whole_file import unfinished

BEAT: Final = 5.0
"""Seconds between two changes of the holder's file."""
STALE: Final = 60.0
"""A file that has not changed for so long belongs to nobody: more than an NFS server's restart takes."""

_STEM: Final = ".lease-"
_LONGEST: Final = 1 << 16
"""Bytes of a holder's file."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What the file of a holder says."""

    token: str
    """Of this sweep."""
    machine: str
    """Who shares the folder of local journals."""
    lock: str
    """A file on that machine's disk that its kernel keeps locked as long as the holder lives."""
    who: str
    """For the eye."""
    beat: int = 0
    over: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError. Files are put in place whole, so one that cannot be read was damaged: it counts as given up."""
        try:
            holding = cls(**json.loads(read_regular(path, _LONGEST)))
            if holding._is_sensible():
                return holding
        except (ValueError, TypeError, RecursionError):
            pass
        return cls("", "", "", "an unreadable holder", over=True)

    def text(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def _is_sensible(self) -> bool:
        return all(isinstance(text, str) for text in (self.token, self.machine, self.lock, self.who))


class Lease:
    """Held from `acquire` to `release`, with a thread that shows that its holder lives."""

    def __init__(self, folder: Path, machine: str, lock: Path, who: str) -> None:
        """lock: held already, on this machine."""
        self._folder, self._number = folder, 0
        self._own = Holding(token_hex(8), machine, str(lock), who)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="lease", daemon=True)

    def acquire(self, note: Callable[[str], None], wait: Callable[[], None]) -> None:
        """Raises LockedResults, OSError. wait: called while a silent holder is watched; may raise."""
        latest = self._latest()
        if latest:
            holder = Holding.read(self._path(latest))
            if not self._is_free(latest, holder, note, wait):
                raise LockedResults(self._refusal(holder))
        self._number = latest + 1
        if not self._make(self._own):
            raise LockedResults(self._refusal(Holding.read(self._path(self._number))))
        for number in self._numbers():
            if number < latest:  # the one before stays: who has it for the latest cannot make this one again
                self._path(number).unlink(missing_ok=True)
        self._thread.start()

    def release(self) -> None:
        """The next one need not wait. Raises OSError."""
        self._over.set()
        if self._thread.ident is None:  # never acquired
            return
        self._thread.join()
        if self._latest() == self._number:
            self._put(replace(self._own, over=True))

    def check(self) -> None:
        """Raises LockedResults where another sweep has taken the results over. Looks at the files: for each copy."""
        latest = self._latest()
        if latest > self._number:
            raise LockedResults(
                f"{self._folder} was taken over by {Holding.read(self._path(latest)).who}: this sweep did not show for"
                f" {STALE:g} s that it lives. What it has finished since its last copy runs again there"
            )

    @property
    def lost(self) -> bool:
        """As of the last beat: costs nothing."""
        return self._over.is_set()

    # inside

    def _is_free(self, number: int, holder: Holding, note: Callable[[str], None], wait: Callable[[], None]) -> bool:
        if holder.over:
            return True
        if holder.machine == self._own.machine:
            return holder.lock == self._own.lock or not (self._is_lock(holder.lock) and _locked(Path(holder.lock)))
        note(f"{self._folder} was last used by {holder.who}; watching for {STALE:g} s whether that sweep lives")
        ends = time.monotonic() + STALE
        while time.monotonic() < ends:
            time.sleep(min(1.0, BEAT))
            wait()
            now = Holding.read(self._path(number))
            if now != holder:
                return now.over
            if self._latest() != number:
                return False
        return True

    def _is_lock(self, name: str) -> bool:
        """Whether it lies where this machine's sweeps have their locks: no other file is opened because a file names it."""
        path, locks = Path(name), Path(self._own.lock).parent.parent
        ours = leads_out(name.removeprefix("/")) is None and path.parent.parent == locks
        return ours and path.exists() and strange(path) is None

    def _refusal(self, holder: Holding) -> str:
        return f"{self._folder} is in use by {holder.who}; wait for it or stop it"

    def _show(self) -> None:
        while not self._over.wait(BEAT):
            try:
                if self._latest() > self._number:
                    self._over.set()
                    return
                self._own = replace(self._own, beat=self._own.beat + 1)
                self._put(self._own)
            except OSError:  # the server may be back at the next beat
                continue

    def _latest(self) -> int:
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        endings = (path.name.removeprefix(_STEM) for path in self._folder.glob(f"{_STEM}*"))
        return [int(ending) for ending in endings if ending.isdecimal()]

    def _path(self, number: int) -> Path:
        return self._folder / f"{_STEM}{number}"

    def _make(self, holding: Holding) -> bool:
        """Whether we made it: a hard link is made by one only, also where NFS answers a second time."""
        path = self._path(self._number)
        with unfinished(path) as file:
            file.write(holding.text())
            file.flush()
            try:
                os.link(file.name, path)
            except FileExistsError:
                return os.fstat(file.fileno()).st_nlink == 2  # then the answer to the link that we made got lost
        return True

    def _put(self, holding: Holding) -> None:
        replace_durably(self._path(self._number), holding.text())


def _locked(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
