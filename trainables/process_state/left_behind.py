"""What a trial leaves running or open when it has ended: threads, processes, files."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from trainables.process_state.change import After, Change, Watch
from trainables.process_state.compiler import its_processes, its_threads

_LOOK_SECONDS: Final = 0.02
"""How long a thread that was left is watched, to see whether it computes."""
_MANY_FILES: Final = 64
"""Files that one trial may leave open: decoded data stay mapped, and libraries keep what they need."""


class Threads(Watch):
    """A thread that goes on computes beside the next trial, may change what that one uses, and keeps a process from ending.
    One that waits and ends with its process (tqdm has such) does none of it.
    """

    def __init__(self) -> None:
        self._before: set[threading.Thread] = set()
        self.begin()

    def begin(self) -> None:
        self._before = set(threading.enumerate())

    def settle(self) -> Iterator[Change]:
        if threading.active_count() <= len(self._before) and self._before.issuperset(threading.enumerate()):
            return
        known = self._before | its_threads()
        left = [each for each in threading.enumerate() if each not in known and not _is_foreign(each)]
        ending = time.monotonic() + _LOOK_SECONDS
        times = {thread: _computed(thread) for thread in left}
        for thread in left:
            thread.join(max(0.0, ending - time.monotonic()))  # one that is just ending is none
        for thread in left:
            if thread.is_alive() and (not thread.daemon or _computed(thread) - times[thread] > _LOOK_SECONDS / 10):
                yield Change("left a thread running", After.REPLACE)


class Processes(Watch):
    """The child processes that a trial started and did not wait for: they are ended."""

    def __init__(self) -> None:
        self._before: set[int] = set()
        self.begin()

    def begin(self) -> None:
        self._before = set(_children())

    def settle(self) -> Iterator[Change]:
        left = [pid for pid in _children() if pid not in self._before and _is_alive(pid)]
        for pid in left:
            _end(pid)
            yield Change("left a process running")


class OpenFiles(Watch):
    """Many of them at once: a process has room for some thousand."""

    def __init__(self) -> None:
        self._lowest = 0
        self.begin()

    def begin(self) -> None:
        self._lowest = _lowest_free()

    def settle(self) -> Iterator[Change]:
        try:
            if _lowest_free() < self._lowest + _MANY_FILES:
                return
        except OSError:  # there is no room for one more
            yield Change("left so many files open that no other can be opened", After.UNFIT)
        else:
            yield Change("left many files open", After.REPLACE)


def _lowest_free() -> int:
    """The number that the next file gets: it tells at once how many are open at most."""
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    return probe


def _is_foreign(thread: threading.Thread) -> bool:
    """Recognise a thread that Python did not start: Ray's, which hand over tasks."""
    return isinstance(thread, threading._DummyThread)


def _computed(thread: threading.Thread) -> float:
    """Seconds; 0 for one that has gone."""
    with suppress(OSError, ValueError):
        return int(Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]) / 1e9
    return 0.0


def _children() -> list[int]:
    """List the children of this thread and of the first one, which inherits those of threads that have ended."""
    if not _has_children():  # mostly: it takes a microsecond to be told so
        return []
    found: list[int] = []
    for task in {threading.get_native_id(), os.getpid()}:
        with suppress(OSError):  # a system that does not tell
            found += map(int, Path(f"/proc/self/task/{task}/children").read_text().split())
    return [pid for pid in found if pid not in _servants()]


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # and leaves them to who started them
    except ChildProcessError:
        return False
    return True


def _servants() -> set[int]:
    """Processes that Python's `multiprocessing`, and torch's compiler, start for themselves, once, and keep."""
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    server = sys.modules.get("multiprocessing.forkserver")
    return {
        getattr(getattr(tracker, "_resource_tracker", None), "_pid", None) or 0,
        getattr(getattr(server, "_forkserver", None), "_forkserver_pid", None) or 0,
        *its_processes(),
    }


def _is_alive(pid: int) -> bool:
    """Check that a process runs: one that has ended and was not asked about is left to whoever started it."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _end(pid: int) -> None:
    """End a process with all that it has started, and wait until it is gone."""
    with suppress(OSError):
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for each in started:
            _end(int(each))
