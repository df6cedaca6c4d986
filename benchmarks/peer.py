"""Runs ways of doing the work in processes of their own and says what they cost, their workers included."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import psutil

ROOT: Final = Path(__file__).parents[1]
_PERIOD: Final = 1.0
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Run:
    """Processes that ran side by side, and their descendants."""

    wall_seconds: float
    """Until the last one had ended."""
    cpu_seconds: float
    """User and system time of all of them. What a process uses in its last second is missing."""
    printed: tuple[dict[str, Any], ...]
    """The JSON object on the last line of each one's standard output."""


def peer(module: str, arguments: Sequence[str]) -> list[str]:
    """The command `python -m module arguments`."""
    return [sys.executable, "-m", module, *arguments]


def run(*commands: Sequence[str], environment: dict[str, str] | None = None) -> Run:
    """Run commands side by side. Raises SystemExit, with what it said, when one fails."""
    began = time.perf_counter()
    started = [_Started(command, os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {})) for command in commands]
    family = _Family([one.process.pid for one in started])
    over = threading.Event()
    watching = threading.Thread(target=family.watch, args=(over,))
    watching.start()
    for one in started:
        one.process.wait()
    wall = time.perf_counter() - began
    over.set()
    watching.join()
    return Run(wall, family.seconds, tuple(one.answer() for one in started))


class _Started:
    """A process whose output goes to files, so that it never waits for a reader."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._command = command
        self._printed: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read after the process has ended
        self._said: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(command, stdout=self._printed, stderr=self._said, cwd=ROOT, env=environment)

    def answer(self) -> dict[str, Any]:
        with self._printed as printed, self._said as said:
            printed.seek(0)
            said.seek(0)
            lines = printed.read().strip().splitlines()
            if self.process.returncode or not lines:
                message = "\n".join([*lines, said.read()])
                raise SystemExit(f"{' '.join(self._command)} ended with {self.process.returncode}\n{message}")
        answer = json.loads(lines[-1])
        assert isinstance(answer, dict)
        return answer


class _Family:
    """Processor time of processes and of whoever descends from them, orphans included."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._seconds: dict[psutil.Process, float] = {psutil.Process(pid): 0.0 for pid in pids}

    @property
    def seconds(self) -> float:
        return sum(self._seconds.values())

    def watch(self, over: threading.Event) -> None:
        while not over.wait(_PERIOD):
            self._look()

    def _look(self) -> None:
        """One pass over the machine's processes: asking each member for its children would take as many."""
        known = {process.pid for process in self._seconds}
        # by number a parent mostly comes before its children; else the next look finds them
        for process in psutil.process_iter(["ppid"]):
            if process in self._seconds or process.info["ppid"] in known:
                known.add(process.pid)
                self._note(process)

    def _note(self, process: psutil.Process) -> None:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            return
        self._seconds[process] = times.user + times.system
