"""A process that is run to its end while its memory and its open files are looked at."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
EVERY: Final = 0.01
"""Seconds between two looks, each some 100 us."""


@dataclass(frozen=True)
class Watched:
    """What a process cost and said."""

    seconds: float
    peak_mb: float
    """Greatest resident set, as the kernel counted it: pages of shared libraries too."""
    own_mb: float
    """Greatest part of it that no file backs: what the process really takes from others."""
    printed: str
    cpu_seconds: float
    """Of all its threads, user and system."""


def watched(arguments: Sequence[str]) -> Watched:
    """Run Python with these arguments. Raises SystemExit where it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    own = 0.0
    with tempfile.TemporaryFile("w+") as printed:  # no pipe, which would fill up
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], stdout=printed, env=environment)
        while True:
            own = max(own, own_mb(process.pid))
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(EVERY)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)}: ended with {process.returncode}")
        printed.seek(0)
        cpu = used.ru_utime + used.ru_stime
        return Watched(seconds, used.ru_maxrss / 1024, own, printed.read(), cpu)


def own_mb(pid: int) -> float:
    """Resident memory of a process that no file backs."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0  # it has ended and waits to be asked
