"""One sweep writes one results directory: a lock that says who holds it."""

import getpass
import json
import os
import socket
from datetime import UTC, datetime
from types import TracebackType

from filelock import FileLock, Timeout

from orchestrator.errors import LockedResults, UserError
from orchestrator.store.paths import ResultsPaths


class ResultsLock:
    """Held from `__enter__` to `__exit__`, and given back by the kernel when the process dies."""

    def __init__(self, paths: ResultsPaths) -> None:
        self._paths = paths
        self._lock = FileLock(paths.lock)

    def __enter__(self) -> None:
        """Raises LockedResults, naming the holder, and UserError where the directory cannot be written."""
        try:
            self._lock.acquire(timeout=0)
            self._paths.lock_holder.write_text(json.dumps(_signature()))
        except Timeout:
            if not self._paths.lock.exists():  # filelock takes "not permitted" for "held by another"
                raise UserError(f"cannot write results to {self._paths.root}: permission denied") from None
            raise LockedResults(f"{self._paths.root} is in use by {self._holder()}; wait for it or stop it") from None
        except OSError as error:
            self._lock.release()
            raise UserError(f"cannot write results to {self._paths.root}: {error}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._paths.lock_holder.unlink(missing_ok=True)
        self._lock.release()

    def _holder(self) -> str:
        try:
            holder = json.loads(self._paths.lock_holder.read_text())
            return "{user} on {host}, process {pid}, since {since}".format(**holder)
        except (OSError, ValueError, KeyError):
            return "another sweep"  # it has just taken the lock and not yet signed it


def _signature() -> dict[str, str | int]:
    return {
        "user": _user(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return f"user {os.getuid()}"
