"""One sweep writes one results directory: a lock that says who holds it."""

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from orchestrator.errors import LockedResults, UserError
from orchestrator.store.filesystem import is_network
from orchestrator.store.identity import HeldDirectory
from orchestrator.store.lease import Lease
from orchestrator.store.local_disk import folder_of, machine_id
from orchestrator.store.lock_note import Holder, living_holder, write_note
from orchestrator.store.origin import refuse_strange
from orchestrator.store.paths import KEPT, ResultsPaths
from orchestrator.store.places import refuse_strange_places
from trainables.whole_file import remove_unfinished


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
        self._lease: Lease | None = None
        self._directory: HeldDirectory | None = None
        self._lock = FileLock(paths.lock)

    def __enter__(self) -> Self:
        """Raises LockedResults, naming the holder, DamagedResults where links or other things lie where it would write, and
        UserError where the directory cannot be written, or is no one's of ours.
        """
        refuse_strange(self._paths)
        refuse_strange_places(self._paths)
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
        self._lease = Lease(
            self._paths.root,
            machine_id(),
            self._file,
            str(self._signature),
        )

    def _holder(self) -> str:
        # one that has just taken the lock has not signed it yet, and the note that lies there may be a dead one's
        return str(living_holder(self._paths) or "another sweep")
