"""What a sweep's own process uses while trials run: memory that stays, and processor time."""

import time
from typing import Final

import psutil

from orchestrator.plan.progress import Snapshot

_EVERY: Final = 50
"""Trials between two looks, which cost some 50 us each."""


class DriverUse:
    """A `Progress` that watches this process from the first finished trial to the last."""

    def __init__(self, trials: int) -> None:
        self._process = psutil.Process()
        self._trials, self._finished = trials, 0
        self._resident: list[int] = []
        self._processor: list[float] = []

    @property
    def bytes_per_trial(self) -> float:
        """Growth of the resident set, divided by the trials."""
        return (self._resident[-1] - self._resident[0]) / self._trials

    @property
    def cpu_seconds_per_trial(self) -> float:
        """User and system time of all threads."""
        return (self._processor[-1] - self._processor[0]) / self._trials

    def note(self, text: str) -> None:
        return

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        self._finished += 1
        if self._finished % _EVERY == 1 or self._finished == self._trials:
            self._resident.append(self._process.memory_info().rss)
            self._processor.append(time.process_time())

    def update(self, snapshot: Snapshot) -> None:
        return
