"""Processor time of a process and of those that it starts, told apart by what they do, while they run."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import psutil

_EVERY: Final = 0.1
"""Seconds between two looks: what a process uses after the last is missed."""
_WRITER: Final = "orchestrator.wandb"


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU-seconds, of user and system."""

    sweep: float
    """Of the sweep's process, which trains where trials run in it, and of those that it started otherwise."""
    writer: float
    """Of the process that writes W&B runs, with the SDK's own."""


class Spending:
    """Watches for as long as the `with` lasts."""

    def __init__(self, pid: int) -> None:
        self._root, self._over = psutil.Process(pid), threading.Event()
        self._seconds: dict[psutil.Process, float] = {}
        self._writers: set[psutil.Process] = set()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    @property
    def spent(self) -> Spent:
        writer = sum(seconds for process, seconds in self._seconds.items() if process in self._writers)
        return Spent(sum(self._seconds.values()) - writer, writer)

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            with suppress(psutil.NoSuchProcess):
                for process in (self._root, *self._root.children(recursive=True)):
                    self._look(process)

    def _look(self, process: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            times = process.cpu_times()
            if process not in self._writers and self._writes(process):  # a child is its parent's copy at first
                self._writers.add(process)
            self._seconds[process] = times.user + times.system

    def _writes(self, process: psutil.Process) -> bool:
        return process.parent() in self._writers or _WRITER in process.cmdline()
