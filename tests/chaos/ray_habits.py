"""What people do to a sweep on Ray: they stop it for a while, begin a second one, edit its code, carry its results away."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Final

import pandas as pd
import psutil

from tests.chaos.figures import Figures, require
from tests.chaos.forked import orch
from tests.chaos.invariant import check_end, check_whole, finished, seconds_to_leave
from tests.chaos.lab import SGD, Lab, grid
from tests.chaos.ray_faults import ROOT, SLOTS, RaySweep, begin, until

STANDSTILL: Final = 60.0
"""Seconds: more than Ray and gRPC wait for an answer."""
MANY: Final = grid(tuple(range(12)), (SGD,))
LIMITED: Final = grid(tuple(range(12)), (SGD,), protocol="trial_timeout: 30")
NOBODY: Final = 65_534
"""Number of a user who owns nothing here."""
PACKAGES: Final = ("orchestrator", "trainables", "clusters", "results_schema", "tests")


def driver_stopped(lab: Lab, random: Random, number: int) -> Figures:
    """SIGSTOP of the driver for a minute: its slots go on, and nothing that ended meanwhile is judged by the clock."""
    sweep = begin(lab)
    until(sweep, lambda: bool(finished(lab)))
    time.sleep(random.uniform(0, 0.5))
    with _stopped([psutil.Process(sweep.process.pid)]):
        time.sleep(STANDSTILL)
    return _ends_well(sweep, "stood still", retried=0)


def worker_stopped(lab: Lab, random: Random, number: int) -> Figures:
    """SIGSTOP of a slot's worker for a minute: its trial ends there or is tried again, once; the others go on."""
    sweep = begin(lab)
    until(sweep, lambda: bool(finished(lab)))
    time.sleep(random.uniform(0, 0.5))
    with _stopped([random.choice(sweep.family("ray::Slot"))]):
        time.sleep(STANDSTILL)
    return _ends_well(sweep, retried=1)


def terminal_stops(lab: Lab, random: Random, number: int) -> Figures:
    """Ctrl-Z, and `fg` after a minute: the driver, and all of its Ray that the terminal reaches, stand still."""
    sweep = begin(lab)
    until(sweep, lambda: bool(finished(lab)))
    time.sleep(random.uniform(0, 0.5))
    # a group without a terminal does not hear SIGTSTP, so it is stopped by what that does
    os.killpg(sweep.process.pid, signal.SIGSTOP)
    time.sleep(STANDSTILL)
    os.killpg(sweep.process.pid, signal.SIGCONT)
    return _ends_well(sweep, "stood still", retried=0)


def two_at_once(lab: Lab, random: Random, number: int) -> Figures:
    """Two sweeps on Ray begin at once, into one directory and into two: one waits for nobody, and none is mixed up."""
    beside = Lab(lab.folder / "beside", lab.reference)
    beside.folder.mkdir()
    shutil.copy(lab.folder / "grid.yaml", beside.folder)
    orch(lab.folder, "--version")  # what forks commands is there before it has to be quick
    first, second = begin(lab), begin(beside)
    until(first, lambda: bool(finished(lab)))
    check_end(lab.sweep(), {5}, f"process {first.process.pid}")
    for sweep in (first, second):
        check_end(sweep.wait(), {0}, "tables in")
    seconds = max(seconds_to_leave(sweep.family()) for sweep in (first, second))
    check_whole(beside, {})
    whole = check_whole(lab, {})
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def code_edited(lab: Lab, random: Random, number: int) -> Figures:
    """A model's file is edited while trials run: the sweep goes on and says so, and the next one runs nothing again."""
    code = lab.folder / "code"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    sweep = begin(lab, code=code)
    until(sweep, lambda: bool(finished(lab)))
    edited = code / "trainables" / "models" / "mlp.py"
    edited.write_text(edited.read_text() + "\n# edited\n")
    figures = _ends_well(sweep, "mlp.py", retried=0)
    again = begin(lab, "--engine", "inline", code=code).wait()
    check_end(again, {0}, "tables in")
    require("has changed since they ran" in again.errors, f"the changed code is not told: {again.errors}")
    check_whole(lab, finished(lab))
    return figures


def carried_away(lab: Lab, random: Random, number: int) -> Figures:
    """The driver is killed; its results go on elsewhere: a copy, one that was made while it wrote, another user's."""
    sweep = begin(lab)
    until(sweep, lambda: bool(finished(lab)))
    time.sleep(random.uniform(0, 0.5))
    family = sweep.family()
    if number % 3 == 1:  # a copy of what is being written
        _carry(lab, number)
    sweep.process.kill()
    sweep.wait()
    seconds = seconds_to_leave(family)
    if number % 3 != 1:
        _carry(lab, number)
    shutil.rmtree(lab.results)
    moved = Lab(lab.folder / "moved", lab.reference)
    before = finished(moved)
    check_end(begin(moved, "--engine", "inline").wait(), {0}, "tables in")
    shutil.copy(lab.folder / "witness.log", moved.folder / "before.log")
    whole = check_whole(moved, before, in_flight=2 * SLOTS)
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def _carry(lab: Lab, number: int) -> None:
    """Into the folder `moved`: as `cp -rp` or rsync, as `cp -r`, and as another user's copy leave it."""
    moved = lab.folder / "moved"
    moved.mkdir()
    shutil.copy(lab.folder / "grid.yaml", moved)
    copying: Sequence[str] = ("cp", "-r") if number % 3 else ("cp", "-rp")
    subprocess.run([*copying, str(lab.folder / "results"), str(moved)], check=True)
    if number % 3 == 2:
        for path in (moved, *moved.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


@contextmanager
def _stopped(processes: Sequence[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def _ends_well(sweep: RaySweep, *message: str, retried: int) -> Figures:
    """It comes to its end, all is there, and no more trials were tried again than that."""
    ended = sweep.wait()
    check_end(ended, {0}, "tables in")
    for words in message:
        require(words in ended.errors, f"{words!r} is not told: {ended.errors[-2000:]}")
    seconds = seconds_to_leave(sweep.family())
    attempts = pd.read_parquet(sweep.lab.paths.table("attempts"))
    lost = attempts[attempts["status"] != "completed"]
    require(len(lost) <= retried, f"tried again: {lost[['trial_id', 'status', 'reason']].to_dict('records')}")
    whole = check_whole(sweep.lab, {}, in_flight=max(1, retried))
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)
