"""One sweep writes one results directory: a lock that says who holds it."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Final, Self

from filelock import FileLock, Timeout

from orchestrator.errors import DamagedResults, LockedResults, UserError
from orchestrator.store.files import irregularity, leads_out
from orchestrator.store.identity import HeldDirectory
from orchestrator.store.local_disk import folder_of, is_network, machine_id
from orchestrator.store.lock_note import Holder, living_holder, write_note
from orchestrator.store.paths import KEPT, ResultsPaths
from orchestrator.store.version import check_is_results_dir
from trainables.data.files import read_regular, remove_unfinished, replace_whole, unfinished

# A lock between machines, of plain files: what locks a file on one machine may mean nothing on the other (ADR 9).

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
    """For display."""
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


class HostLease:
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
                f"{self._folder} was taken over by {Holding.read(self._path(latest)).who}: this sweep showed no sign for"
                f" {STALE:g} s of life. What it has finished since its last copy runs again there"
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
        note(f"{self._folder} was last used by {holder.who}; watching for {STALE:g} s whether that sweep is alive")
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
        return ours and path.exists() and irregularity(path) is None

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
        replace_whole(holding.text(), self._path(self._number))


def _locked(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


# What lies in a results directory where orch would write: where that is a link, it would write into what is no
# result.


@dataclass(frozen=True, slots=True)
class UnexpectedPath:
    """Something else than the file or the folder that belongs there."""

    path: Path
    what: str
    """In words."""


def unexpected_paths(paths: ResultsPaths) -> Iterator[UnexpectedPath]:
    """Apart from journal, tables, checksums and what trials have left, of which others tell. Raises OSError."""
    beside = (paths.lock, paths.lock_holder, paths.stop_request, paths.fetched, paths.wandb_log)
    for file in (*beside, paths.wandb_lock, paths.wandb_sent, paths.wandb_report):
        if (what := irregularity(file)) is not None:
            yield UnexpectedPath(file, what)
    for folder in paths.folders:
        if folder.is_symlink():
            yield UnexpectedPath(folder, f"it is a link to {folder.readlink()}, and orch writes through none")
        elif folder.exists() and not folder.is_dir():
            yield UnexpectedPath(folder, "it is no folder")


def check_writable_paths(paths: ResultsPaths) -> None:
    """For whoever will write there. Raises DamagedResults."""
    for found in unexpected_paths(paths):
        if not _is_replaced(found.path, paths):
            raise DamagedResults(
                f"{found.path} is damaged: {found.what}; move it away and run the same command again"
                " (a results directory as a whole may be a link)"
            )


def _is_replaced(path: Path, paths: ResultsPaths) -> bool:
    """Whether the next writer puts a file of its own in its place, or does without."""
    whole = path in (paths.lock_holder, paths.stop_request, paths.fetched, paths.wandb_report)
    return path == paths.wandb_log or path == paths.wandb_sent or (whole and path.is_symlink())


class ResultsLock:
    """Held from `__enter__` to `__exit__`, and given back by the kernel when the process dies.

    On a network file system the kernel's lock is on a file of this machine's disk, and a lease holds between machines.
    """

    def __init__(
        self, paths: ResultsPaths, note: Callable[[str], None] = lambda _: None, wait: Callable[[], None] = lambda: None
    ) -> None:
        """note: is told why it takes long. wait: called while it does; may raise."""
        self._paths, self._note, self._wait = paths, note, wait
        self._file = paths.lock
        self._signature = Holder.own()
        self._lease: HostLease | None = None
        self._directory: HeldDirectory | None = None
        self._lock = FileLock(paths.lock)

    def __enter__(self) -> Self:
        """Raises LockedResults, naming the holder, DamagedResults where links or other things lie where it would write, and
        UserError where the directory cannot be written, or is no one's of ours.
        """
        check_is_results_dir(self._paths)
        check_writable_paths(self._paths)
        try:
            self._choose()
            self._directory = HeldDirectory(self._paths.root)
            self._lock.acquire(timeout=0)
            if self._lease is not None:
                self._lease.acquire(self._note, self._wait)
            # before it is signed: `orch stop` asks whoever has signed, so what is there was meant for another
            self._paths.stop_request.unlink(missing_ok=True)
            write_note(self._paths, self._signature)
            for name in KEPT:  # while no trial runs yet
                remove_unfinished(self._paths.root / name)
        except Timeout:
            self._close_directory()
            if not self._file.exists():  # filelock takes "not permitted" for "held by another"
                raise UserError(f"cannot write results to {self._paths.root}: permission denied") from None
            raise LockedResults(f"{self._paths.root} is in use by {self._holder()}; wait for it or stop it") from None
        except OSError as error:
            self._let_go()
            raise UserError(f"cannot write results to {self._paths.root}: {error}") from error
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._directory is not None and (self._lease is None or not self._lease.lost):
            for own in (
                self._paths.lock_holder,
                self._paths.stop_request,
            ):  # at its path another sweep may have its own
                with suppress(OSError):
                    self._directory.remove(own.name)
        self._let_go()

    def check(self) -> None:
        """Raises LockedResults where another machine has taken the results over, ResultsGone where another directory is in
        their place. Costs next to nothing.
        """
        if self._directory is not None:
            self._directory.check()
        if self._lease is not None and self._lease.lost:
            self._lease.check()

    def check_now(self) -> None:
        """The same as of this moment: before something is put in place that others read. Raises OSError too."""
        if self._directory is not None:
            self._directory.check_now()
        if self._lease is not None:
            self._lease.check()

    def _let_go(self) -> None:
        if self._lease is not None:
            with suppress(OSError):  # the server is away: the next one will see that nothing changes
                self._lease.release()
        self._lock.release()
        self._close_directory()

    def _close_directory(self) -> None:
        if self._directory is not None:
            self._directory.close()
            self._directory = None

    def _choose(self) -> None:
        if not is_network(self._paths.root):
            return
        folder = folder_of(self._paths)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = folder / ".lock"
        self._lock = FileLock(self._file)
        self._lease = HostLease(
            self._paths.root,
            machine_id(),
            self._file,
            str(self._signature),
        )

    def _holder(self) -> str:
        # one that has just taken the lock has not signed it yet, and the note that lies there may be a dead one's
        return str(living_holder(self._paths) or "another sweep")
