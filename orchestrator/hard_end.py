"""Ends this process where a signal has come and it does not leave.

Python's handlers run between two steps of the main thread. Ray's own calls are one step each, and may last: one that waits
for a process of Ray that has died waits for a minute, and then ends this process with a code of its own.
"""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

import psutil

from orchestrator.outputs import last_words

FIRST_SECONDS: Final = 8.0
"""What a sweep is given from the first signal on. What it has committed is safe all the time."""
SECOND_SECONDS: Final = 1.5
"""From the second signal on."""
ONE_SIGNAL_SECONDS: Final = 0.05
"""Within this time, two of them are one: `timeout` sends its signal to a process, and then to its group."""


class HardEnd:
    """A thread that waits for signals beside Python's handlers, from `open` to `close`."""

    def __init__(self, signals: Collection[int], heard: Callable[[int], None], told: Callable[[int], str]) -> None:
        """signals: those that end the sweep.
        heard: is told of each, in a thread of its own, whoever's handler is in place.
        told: what is said at last of the one that came first.
        """
        self._signals, self._heard, self._told = signals, heard, told
        self._reading, self._writing = socket.socketpair()
        self._writing.setblocking(False)
        self._before = -1
        self._thread = threading.Thread(target=self._wait, name="hard-end", daemon=True)

    def open(self) -> None:
        """Raises ValueError outside the main thread."""
        self._before = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self._thread.start()

    def close(self) -> None:
        signal.set_wakeup_fd(self._before)
        self._writing.close()  # which ends the thread
        self._thread.join()
        self._reading.close()

    def _wait(self) -> None:
        first, came, deadline = 0, 0.0, None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._reading], [], [], left)[0]:
                self._end(first)
            received = self._reading.recv(64)
            if not received:
                return
            for number in received:
                now = time.monotonic()
                if number not in self._signals:
                    continue
                self._heard(number)
                if deadline is None:
                    first, came, deadline = number, now, now + FIRST_SECONDS
                elif now - came > ONE_SIGNAL_SECONDS:
                    deadline = min(deadline, now + SECOND_SECONDS)

    def _end(self, number: int) -> None:
        own = os.getsid(0)
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) == own:  # the reaper, and the writer of W&B, have sessions of their own
                    process.kill()
        shown = "\x1b[?25h" if os.isatty(2) else ""  # the live display has hidden the cursor
        last_words(f"{shown}\n{self._told(number)}\n")
        os._exit(128 + number)
