"""Runs one way of doing the work in a process of its own and says what it cost, its workers included."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

ROOT: Final = Path(__file__).parents[1]
_PERIOD: Final = 0.25
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Run:
    """One process and its descendants."""

    wall_seconds: float
    cpu_seconds: float
    """User and system time of all of them. What one uses in its last quarter of a second is missing."""
    printed: dict[str, Any]
    """The JSON object on its last line of standard output."""


class _Family:
    """Processor time of a process and of whoever descends from it, orphans included."""

    def __init__(self, pid: int) -> None:
        self._seconds: dict[psutil.Process, float] = {psutil.Process(pid): 0.0}

    def look(self) -> None:
        """One pass over the machine's processes: asking each member for its children would take as many."""
        known = {process.pid for process in self._seconds}
        # in the order of their numbers, so that a parent mostly comes before its children; else the next look finds them
        for process in psutil.process_iter(["ppid"]):
            if process in self._seconds or process.info["ppid"] in known:
                known.add(process.pid)
                self._note(process)

    @property
    def seconds(self) -> float:
        return sum(self._seconds.values())

    def _note(self, process: psutil.Process) -> None:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            return
        self._seconds[process] = times.user + times.system


def run_peer(module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """`python -m module arguments`. Raises SystemExit, with what it said, when it fails."""
    return run_measured([sys.executable, "-m", module, *arguments], environment)


def run_measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command that prints one JSON object on its last line. Raises SystemExit when it fails."""
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=printed, stderr=said, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {})
        )
        family = _Family(process.pid)
        while process.poll() is None:
            family.look()
            time.sleep(_PERIOD)
        wall = time.perf_counter() - start
        printed.seek(0)
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}\n{printed.read()}\n{said.read()}")
        return Run(wall, family.seconds, json.loads(printed.read().strip().splitlines()[-1]))
