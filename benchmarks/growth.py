"""Whether memory and open files grow with the trials: one sweep of null trials, its driver and its slots looked at.

    python benchmarks/growth.py [--trials 20000] [--engine ray] [--json]

Memory is what no file backs (RssAnon). The slope is a straight line through the looks of the second half, in which each
process has loaded what it loads once; it is given for 10,000 trials.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.machine import machine
from benchmarks.null_grid import write_null_grid
from benchmarks.table import markdown
from benchmarks.watched import ROOT, own_mb

EVERY: Final = 0.25
"""Seconds between two looks."""


@dataclass(frozen=True)
class Look:
    """A process at one moment."""

    at: float
    own_mb: float
    files: int


@dataclass(frozen=True)
class Growth:
    """What one process did over a sweep."""

    process: str
    looks: int
    mb_at_half: float
    mb_at_end: float
    mb_per_10_000: float
    files_at_half: int
    files_at_end: int


def measure(trials: int, engine: str) -> list[Growth]:
    with tempfile.TemporaryDirectory() as folder:
        grid = write_null_grid(Path(folder) / "null.yaml", trials)
        command = [sys.executable, "-m", "benchmarks.scale_sweep", str(grid), f"{folder}/results", engine]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with tempfile.TemporaryFile("w+") as printed:
            driver = subprocess.Popen(command, stdout=printed, env=environment)
            looks = _watch(driver)
            if driver.returncode:
                raise SystemExit(f"the sweep ended with {driver.returncode}")
            printed.seek(0)
            summary = json.loads(printed.read().splitlines()[-1])
    if summary["counts"] != {"completed": trials}:
        raise SystemExit(f"asked for {trials} completed trials and got {summary['counts']}")
    began, took = summary["first_trial"], summary["run_seconds"]
    names = {pid: "driver" if pid == driver.pid else f"slot {pid}" for pid in looks}
    return [
        _growth(names[pid], [look for look in found if began <= look.at <= began + took], trials / took)
        for pid, found in looks.items()
        if found[-1].at > began + took / 2
    ]


def _watch(driver: subprocess.Popen[bytes]) -> dict[int, list[Look]]:
    """Process id to what was seen of the driver and of Ray's workers under it."""
    began = time.time() - psutil.Process(driver.pid).create_time()
    start = time.monotonic() - began
    looks: dict[int, list[Look]] = {}
    while driver.poll() is None:
        family = [psutil.Process(driver.pid)]
        try:
            family += [one for one in family[0].children(recursive=True) if one.name().startswith("ray::")]
            for process in family:
                look = Look(time.monotonic() - start, own_mb(process.pid), process.num_fds())
                looks.setdefault(process.pid, []).append(look)
        except (psutil.Error, OSError):  # one has just ended
            pass
        time.sleep(EVERY)
    return looks


def _growth(process: str, looks: Sequence[Look], trials_a_second: float) -> Growth:
    half = looks[len(looks) // 2 :]
    slope = statistics.linear_regression([look.at for look in half], [look.own_mb for look in half]).slope
    first, last = half[0], half[-1]
    growth = slope / trials_a_second * 10_000
    return Growth(process, len(looks), first.own_mb, last.own_mb, growth, first.files, last.files)


def table(found: Sequence[Growth]) -> str:
    rows = [
        [
            one.process,
            f"{one.mb_at_half:.1f}",
            f"{one.mb_at_end:.1f}",
            f"{one.mb_per_10_000:+.2f}",
            one.files_at_half,
            one.files_at_end,
        ]
        for one in found
    ]
    return markdown(
        ["", "MB at half", "MB at the end", "MB / 10,000 trials", "files at half", "files at the end"], rows
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--engine", choices=["inline", "ray"], default="ray")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    here = machine()
    found = measure(options.trials, options.engine)
    print(json.dumps(here | {"growth": [asdict(one) for one in found]}) if options.json else table(found))


if __name__ == "__main__":
    main()
