"""What surrounds a sweep goes wrong: no room, no permission, no folder, another sweep, readers."""

import json
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pandas as pd

from tests.chaos.driver import BEGUN
from tests.chaos.figures import Figures, require
from tests.chaos.forked import orch, start, wait_until
from tests.chaos.invariant import check_end, check_files, check_struck, check_whole, finished
from tests.chaos.lab import Lab


def files_may_not_grow(lab: Lab, random: Random, number: int) -> Figures:
    """RLIMIT_FSIZE: a quota that no file may pass, of another size each time."""
    limit = 1024 * random.choice((1, 4, 16, 48, 64, 96, 128, 192))
    ended = start(
        lab.folder, "sweep", "grid.yaml", "--engine", "inline", limits=[(resource.RLIMIT_FSIZE, limit)]
    ).wait()
    check_end(ended, {0, 2, 3})
    return _goes_on(lab)


def full_disk(lab: Lab, random: Random, number: int) -> Figures:
    """A file system of a few hundred kilobytes, which is then given more."""
    lab.results.mkdir(parents=True)
    with mounted(lab.results, f"{random.choice((48, 96, 160, 256, 384))}k"):
        ended = lab.sweep()
        check_end(ended, {2, 3})
        before = check_struck(lab)
        subprocess.run(["mount", "-o", "remount,size=64m", str(lab.results)], check=True)
        check_end(lab.sweep(), {0}, "tables in")
        return check_whole(lab, before)


def read_only(lab: Lab, random: Random, number: int) -> Figures:
    """A file system that nobody may write, after some trials are finished."""
    lab.results.mkdir(parents=True)
    with mounted(lab.results, "64m"):
        if number % 2:
            sweep = lab.begin()
            wait_until(lambda: bool(finished(lab)), sweep)
            sweep.kill()
            sweep.wait()
        subprocess.run(["mount", "-o", "remount,ro", str(lab.results)], check=True)
        check_end(lab.sweep(), {2}, "cannot write results to", str(lab.results))
        subprocess.run(["mount", "-o", "remount,rw", str(lab.results)], check=True)
        return _goes_on(lab)


def folder_removed(lab: Lab, random: Random, number: int) -> Figures:
    """The results are deleted under the sweep: it says so, and the command begins again."""
    sweep = lab.begin()
    wait_until(lambda: len(finished(lab)) >= 2, sweep)
    shutil.rmtree(lab.results, ignore_errors=True)
    ended = sweep.wait()
    check_end(ended, {3}, str(lab.results))
    shutil.rmtree(lab.results, ignore_errors=True)
    (lab.folder / "witness.log").unlink()
    check_end(lab.sweep(), {0}, "tables in")
    return check_whole(lab, {})


def signals(lab: Lab, random: Random, number: int) -> Figures:
    """SIGINT, SIGTERM and SIGHUP, once or twice, at any moment, during start-up and during a commit too."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    sent, twice = kinds[number % len(kinds)], number // len(kinds) % 2
    sweep = lab.begin()
    wait_until((lab.folder / BEGUN).exists, sweep)
    moment = time.monotonic() + random.uniform(0, 1.5)
    wait_until(lambda: time.monotonic() >= moment, sweep)
    struck = time.monotonic()
    sweep.send(sent)
    if twice:
        time.sleep(random.uniform(0, 0.05))
        sweep.send(sent)
    ended = sweep.wait()
    seconds = time.monotonic() - struck
    if ended.code:  # else it was at its end when the signal came
        check_end(ended, {128 + sent}, "stopped")
        require(seconds < (2.0 if twice else 10.0), f"it took {seconds:.1f} s to stop")
    before = check_struck(lab)
    check_end(lab.sweep(), {0}, "tables in")
    figures = check_whole(lab, before)
    return Figures(window=figures.window, in_flight=figures.in_flight, slowest=seconds)


def race(lab: Lab, random: Random, number: int) -> Figures:
    """Two sweeps begin in one results directory at once. One of them runs; a note of a dead one deceives nobody."""
    if number % 2:
        lab.results.mkdir(parents=True)
        note = {
            "user": "nobody",
            "host": socket.gethostname(),
            "pid": 999_999_999,
            "since": "2020-01-01T00:00:00+00:00",
        }
        lab.paths.lock_holder.write_text(json.dumps(note))
    sweeps = [lab.begin(), lab.begin()]
    ended = [sweep.wait() for sweep in sweeps]
    codes = sorted(end.code for end in ended)
    # the later one may come when the earlier has ended, and has nothing to do then
    require(codes in ([0, 5], [0, 0]), f"ended with {codes}: {[end.errors for end in ended]}")
    for end, other in zip(ended, reversed(sweeps), strict=True):
        if end.code == 5:
            named = f"process {other.pid}" in end.last_line or "another sweep" in end.last_line
            require(named, f"the holder is not named: {end.last_line}")
    return check_whole(lab, finished(lab))


def reads(lab: Lab, random: Random, number: int) -> Figures:
    """A hundred reads of a table, and ten of `orch status`, while a sweep is killed and goes on."""
    rows, done = 0, 0
    sweep = lab.begin()
    for turn in range(100):
        if not sweep.runs:
            sweep = lab.begin()
        elif turn % 25 == 24:
            sweep.kill()
            sweep.wait()
        if lab.paths.table("trials").exists():
            now = len(pd.read_parquet(lab.paths.table("trials")))
            require(now >= rows, f"{now} rows, where there were {rows}")
            rows = now
        if turn % 10 == 9 and lab.paths.journal.exists():
            status = orch(lab.folder, "status", str(lab.results), "--json")
            check_end(status, {0})
            counts = json.loads(status.output)["counts"]
            require(sum(counts.values()) in {0, len(lab.reference.planned)}, f"a part of the plan: {counts}")
            require(counts.get("completed", 0) >= done, f"{counts}, where {done} had been completed")
            done = counts.get("completed", 0)
    sweep.wait()
    before = check_struck(lab)
    check_end(lab.sweep(), {0}, "tables in")
    whole = check_whole(lab, before, in_flight=len(lab.reference.planned))
    return Figures(times=100, window=whole.window, in_flight=whole.in_flight)


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """A file system in memory, as root."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def may_mount(folder: Path) -> bool:
    """Whether this user may make file systems."""
    try:
        with mounted(folder, "1m"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _goes_on(lab: Lab) -> Figures:
    check_files(lab)
    before = check_struck(lab)
    check_end(lab.sweep(), {0}, "tables in")
    return check_whole(lab, before)
