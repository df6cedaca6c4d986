"""What a sweep's own process comes to hold while trials run."""

from typing import Final

import psutil

from orchestrator.progress import Snapshot

_EVERY: Final = 50
"""Trials between two looks: reading the resident set costs some 20 us."""


class DriverMemory:
    """A `Progress` that watches this process's resident set from the first finished trial to the last."""

    def __init__(self, trials: int) -> None:
        self._process = psutil.Process()
        self._trials, self._finished = trials, 0
        self.samples: list[tuple[int, int]] = []
        """(trials finished, resident bytes)."""

    @property
    def growth(self) -> int:
        """Bytes from the first finished trial to the last."""
        return self.samples[-1][1] - self.samples[0][1]

    def note(self, text: str) -> None:
        return

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        self._finished += 1
        if self._finished % _EVERY == 1 or self._finished == self._trials:
            self.samples.append((self._finished, self._process.memory_info().rss))

    def beat(self, snapshot: Snapshot) -> None:
        return
