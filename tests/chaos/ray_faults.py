"""Sweeps on a real Ray, whose processes are killed, whose trials misbehave, whose nodes come and go."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from secrets import token_hex

import pandas as pd
import psutil

from tests.chaos.driver import DIES_ONCE, FOLDER, HANGS, HOLDS_THE_GIL, NAN_EPOCH, NOT_A_NUMBER, POISON, WANTS_MEMORY
from tests.chaos.figures import Figures, require
from tests.chaos.forked import Ended
from tests.chaos.invariant import check_end, check_struck, check_whole, finished, seconds_to_leave
from tests.chaos.lab import SGD, Lab, grid

ROOT = Path(__file__).parents[2]
MACHINES = ROOT / "tests" / "clusters" / "machines.py"
PATIENCE = 240.0
NOTICE_SECONDS = 30.0
"""In which a driver has to notice that Ray is gone."""
SLOTS = 2
MARK = "ORCH_CHAOS_CASE"
"""A variable that all processes of a case inherit."""
LIMIT = 4.0

WORKER_GROUPS = grid((0, 1, 2), (SGD,)) + "resources: {workers: 2}\n"
MIXED = grid((0, 1, 2, 3), override="{when: {optimizer: adam}, set: {resources.workers: 2}}")
GOOD = grid((0, 1), (SGD,), protocol=f"trial_timeout: {LIMIT}")
BAD = grid((0, 1, POISON, HANGS, NOT_A_NUMBER, WANTS_MEMORY, DIES_ONCE), (SGD,), f"trial_timeout: {LIMIT}")
DEAF = grid((0, 1, HOLDS_THE_GIL), (SGD,), f"trial_timeout: {LIMIT}")


@dataclass
class RaySweep:
    """A sweep as a process, and all processes that it starts."""

    process: subprocess.Popen[bytes]
    lab: Lab
    case: str
    began: float = field(default_factory=time.monotonic)

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def family(self, *names: str) -> list[psutil.Process]:
        """Processes of this case, the driver apart; those alone whose names begin with one of `names`."""
        return [
            process
            for process in of_case(self.case)
            if process.pid != self.process.pid and (not names or _name(process).startswith(names))
        ]

    def wait(self, patience: float = PATIENCE) -> Ended:
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            said = (self.lab.folder / "errors").read_text()
            for process in of_case(self.case):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait()
            raise AssertionError(f"hung; it had said: {said}") from None
        output, errors = ((self.lab.folder / name).read_text() for name in ("output", "errors"))
        return Ended(self.process.returncode, output, errors, time.monotonic() - self.began)


def of_case(case: str) -> list[psutil.Process]:
    """Every process that has inherited the case's mark, and what they started: an agent's title is written over its own."""
    found = set[psutil.Process]()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == case:
                found |= {process, *process.children(recursive=True)}
    return list(found)


def _name(process: psutil.Process) -> str:
    """Empty where it has just ended."""
    try:
        return process.name()
    except psutil.Error:
        return ""


def begin(lab: Lab, *options: str, case: str | None = None, code: Path = ROOT, **variables: str) -> RaySweep:
    """code: the folder of the packages that run."""
    case = case or token_hex(6)
    own = {MARK: case, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    with (lab.folder / "output").open("wb") as output, (lab.folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.driver", "sweep", "grid.yaml", *options],
            cwd=lab.folder,
            env=os.environ | own | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    return RaySweep(process, lab, case)


def until(sweep: RaySweep, holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        require(sweep.runs, f"it ended too early: {sweep.wait().errors if not sweep.runs else ''}")
        require(time.monotonic() < ends, "waited in vain")
        time.sleep(0.02)


def kill_driver(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the driver of a Ray with trials of 0.2 s, at a random moment after the first."""
    return _kill_driver(lab, random.uniform(0, 0.8))


def kill_driver_real(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the driver of a Ray with real trials, of some hundredths of a second each."""
    return _kill_driver(lab, random.uniform(0, 0.3))


def kill_worker(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of a slot's worker: its trial is tried again, the others notice nothing."""
    sweep = begin(lab)
    until(sweep, lambda: bool(finished(lab)))
    time.sleep(random.uniform(0, 0.5))
    kill_one(random, sweep.family("ray::Slot"))
    check_end(sweep.wait(), {0}, "tables in")
    seconds = seconds_to_leave(sweep.family())
    check_tried_again(lab, 1)
    whole = check_whole(lab, {})
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def kill_rank(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of one of the two workers that train a trial together."""
    sweep = begin(lab)
    until(sweep, lambda: bool(lab.witness()))
    time.sleep(random.uniform(0, 1.0))
    kill_one(random, [process for process in sweep.family("ray::") if "TrainWorker" in _name(process)])
    check_end(sweep.wait(), {0}, "tables in")
    seconds = seconds_to_leave(sweep.family())
    check_tried_again(lab, 1)
    whole = check_whole(lab, {})
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def kill_raylet(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the raylet under the driver, which notices and exits with 3."""
    return _kill_ray(lab, random, "raylet")


def kill_gcs(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the GCS under the driver, which notices and exits with 3."""
    return _kill_ray(lab, random, "gcs_server")


def signals(lab: Lab, random: Random, number: int) -> Figures:
    """SIGINT, SIGTERM and SIGHUP, once or twice, while Ray starts and while trials run."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    sent, twice = kinds[number % 3], number // 3 % 2
    sweep = begin(lab)
    if number // 6 % 2:
        until(sweep, lambda: bool(lab.witness()))
        time.sleep(random.uniform(0, 0.5))
    else:
        until(sweep, lambda: bool(sweep.family("gcs_server")))
        time.sleep(random.uniform(0, 4.0))
    family, struck = sweep.family(), time.monotonic()
    os.killpg(sweep.process.pid, sent)  # as a terminal does
    if twice:
        time.sleep(0.1)
        again = time.monotonic()
        sweep.process.send_signal(sent)
    ended = sweep.wait()
    stopped = time.monotonic() - struck
    if twice:
        hastened = time.monotonic() - again
        require(hastened < 2.0, f"it took {hastened:.1f} s to stop after the second")
    check_end(ended, {128 + sent}, "stopped by")
    require(stopped < 10.0, f"it took {stopped:.1f} s to stop")
    seconds = max(stopped, seconds_to_leave({*family, *sweep.family()}))
    whole = goes_on(lab, in_flight=SLOTS)
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def bad_trials(lab: Lab, random: Random, number: int) -> Figures:
    """A poison trial, a hang in Python, NaN at epoch 2, no memory, one death: each its status, and the others finish."""
    (lab.folder / "grid.yaml").write_text(BAD)
    sweep = begin(lab)
    ended = sweep.wait()
    check_end(ended, {1})
    seconds = seconds_to_leave(sweep.family())
    trials = pd.read_parquet(lab.paths.table("trials")).set_index("seed")
    expected = {
        POISON: "failed",
        HANGS: "timed_out",
        NOT_A_NUMBER: "diverged",
        WANTS_MEMORY: "out_of_memory",
    }
    found = trials["status"].to_dict()
    require(found == {0: "completed", 1: "completed", DIES_ONCE: "completed"} | expected, f"ended as {found}")
    require(trials.loc[POISON, "attempts"] == 3, f"{trials.loc[POISON, 'attempts']} attempts at the poison")
    require(trials.loc[NOT_A_NUMBER, "epochs"] == NAN_EPOCH, "diverged in another epoch")
    _check_limit(lab, trials.loc[HANGS, "trial_id"])
    return Figures(slowest=seconds)


def holds_the_gil(lab: Lab, random: Random, number: int) -> Figures:
    """A trial that hangs with the GIL held, so that its process answers nothing: timed out, and the others finish."""
    (lab.folder / "grid.yaml").write_text(DEAF)
    sweep = begin(lab)
    check_end(sweep.wait(), {1})
    seconds = seconds_to_leave(sweep.family())
    trials = pd.read_parquet(lab.paths.table("trials")).set_index("seed")
    found = trials["status"].to_dict()
    require(found == {0: "completed", 1: "completed", HOLDS_THE_GIL: "timed_out"}, f"ended as {found}")
    _check_limit(lab, trials.loc[HOLDS_THE_GIL, "trial_id"])
    return Figures(slowest=seconds)


def nodes_come_and_go(lab: Lab, random: Random, number: int) -> Figures:
    """A head and two more raylets, trials of one and of two workers; a node is killed, another one joins."""
    case = token_hex(6)
    with _machines(lab.folder, case) as machines:
        (lab.folder / "cluster.yaml").write_text(
            f"name: machines\nkind: attach\naddress: 127.0.0.1:{machines.gcs}\ntoken_file: {lab.folder}/token\n"
        )
        (lab.folder / "token").chmod(0o600)
        sweep = begin(lab, "--cluster", "cluster.yaml", case=token_hex(6), RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")
        until(sweep, lambda: bool(finished(lab)))
        raylets = sorted(
            (process for process in of_case(case) if process.name() == "raylet"), key=psutil.Process.create_time
        )
        random.choice(raylets[1:]).kill()
        time.sleep(random.uniform(0, 3))
        machines.add()
        check_end(sweep.wait(), {0}, "tables in")
        seconds = seconds_to_leave(sweep.family())
    seconds = max(seconds, seconds_to_leave(of_case(case)))
    whole = check_whole(lab, {}, in_flight=2 * SLOTS)
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


@dataclass
class _Machines:
    process: subprocess.Popen[bytes]
    gcs: int

    def add(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"one more\n")
        self.process.stdin.flush()


@contextmanager
def _machines(folder: Path, case: str) -> Iterator[_Machines]:
    """A Ray of three machines, the first of them the head."""
    import json
    import tempfile

    short = Path(tempfile.mkdtemp(prefix="oc-", dir="/tmp"))  # Ray's sockets need short paths
    token = token_hex(16)
    for place in (short / "token", folder / "token"):
        place.write_text(token)
    with (folder / "machines.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(MACHINES), str(short), "3"],
            cwd=folder,
            env=os.environ | {MARK: case, FOLDER: str(folder), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    try:
        ends = time.monotonic() + PATIENCE
        while not (short / "ready").exists():
            assert process.poll() is None, (folder / "machines.log").read_text()[-2000:]
            assert time.monotonic() < ends, "the machines do not come up"
            time.sleep(0.1)
        yield _Machines(process, json.loads((short / "ready").read_text())["gcs"])
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        for left in of_case(case):
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        process.wait()
        import shutil

        shutil.rmtree(short, ignore_errors=True)


def _kill_driver(lab: Lab, delay: float) -> Figures:
    sweep = begin(lab)
    until(sweep, lambda: bool(lab.witness()))
    time.sleep(delay)
    family = sweep.family()
    sweep.process.kill()
    sweep.wait()
    seconds = seconds_to_leave(family)
    whole = goes_on(lab, in_flight=SLOTS)
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def _kill_ray(lab: Lab, random: Random, name: str) -> Figures:
    sweep = begin(lab)
    until(sweep, lambda: bool(finished(lab)))
    time.sleep(random.uniform(0, 0.5))
    family, struck = sweep.family(), time.monotonic()
    kill_one(random, [process for process in family if _name(process) == name])
    ended = sweep.wait()
    noticed = time.monotonic() - struck
    check_end(ended, {3}, "have died", "To go on: orch sweep grid.yaml")
    require(noticed < NOTICE_SECONDS, f"noticed after {noticed:.1f} s")
    seconds = max(noticed, seconds_to_leave({*family, *sweep.family()}))
    whole = goes_on(lab, in_flight=SLOTS)
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def kill_one(random: Random, processes: list[psutil.Process]) -> None:
    require(bool(processes), "there is nothing to kill")
    random.choice(processes).kill()


def goes_on(lab: Lab, *, in_flight: int) -> Figures:
    """With the inline engine, which starts immediately: a trial is the same there."""
    before = check_struck(lab)
    check_end(lab.sweep(), {0}, "tables in")
    return check_whole(lab, before, in_flight=in_flight)


def _check_limit(lab: Lab, trial_id: str) -> None:
    row = pd.read_parquet(lab.paths.table("attempts")).set_index("trial_id").loc[trial_id]
    lasted = (row["finished_at"] - row["started_at"]).total_seconds()
    require(LIMIT <= lasted <= 1.1 * LIMIT, f"timed out after {lasted:.2f} s, with a limit of {LIMIT:g} s")


def check_tried_again(lab: Lab, most: int) -> None:
    attempts = pd.read_parquet(lab.paths.table("attempts"))
    lost = attempts[attempts["status"] != "completed"]
    require(set(lost["status"]) <= {"worker_lost", "lost"}, f"attempts ended as {set(lost['status'])}")
    require(len(lost) <= most, f"{len(lost)} attempts were lost to one death")
