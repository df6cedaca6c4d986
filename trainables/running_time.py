"""Seconds in which this process could run: a monotonic clock that stands still while the process is stopped.

Ctrl-Z, SIGSTOP and a paused container or virtual machine stop a process and not its monotonic clock. What was trained,
waited for and limited in time has then taken less than that clock says.
"""

import os
import threading
import time
from typing import Final

TICK_SECONDS: Final = 1.0
"""How often the clock looks at itself."""
STOPPED_SECONDS: Final = 3.0
"""Seconds without a look after which the process may have been stopped."""
BUSY_SHARE: Final = 0.1
"""A process that used more than this share of the time was at work, in a call that lets no other thread run."""


class RunningClock:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last, self._last_used = time.monotonic(), time.process_time()
        self._stopped = self._reported = 0.0
        self._ticked_by: int | None = None
        """The process whose thread looks: a fork has none."""

    def seconds(self) -> float:
        """The reading; differences count."""
        if self._ticked_by != os.getpid():
            self._begin()
        return self._look()

    def stopped_since(self) -> float:
        """Seconds for which the process was stopped since this was asked last."""
        self.seconds()
        with self._lock:
            stopped, self._reported = self._stopped - self._reported, self._stopped
        return stopped

    def _begin(self) -> None:
        """What passed unobserved is no standstill."""
        self._ticked_by = os.getpid()
        with self._lock:
            self._last, self._last_used = time.monotonic(), time.process_time()
        threading.Thread(target=self._tick, name="running-time", daemon=True).start()

    def _tick(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            self._look()

    def _look(self) -> float:
        with self._lock:
            now, used = time.monotonic(), time.process_time()
            passed = now - self._last
            if passed > STOPPED_SECONDS and used - self._last_used < BUSY_SHARE * passed:
                self._stopped += passed - TICK_SECONDS
            self._last, self._last_used = now, used
            return now - self._stopped


running_time: Final = RunningClock()
"""This process'."""
