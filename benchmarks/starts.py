"""What a sweep costs from command to exit where nothing is decoded yet: the quickstart, of this code and another.

`python -m benchmarks.starts --before FOLDER --rounds 3` runs both in turn, beside whatever else runs on the machine; then
`--slots 16` adds what so many slots hold of a machine's memory, each with its own process idle.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from benchmarks.table import markdown

ROOT: Final = Path(__file__).parents[1]
_SUBREAPER: Final = 36
"""`PR_SET_CHILD_SUBREAPER`: what loses its parent becomes a child of this process, and is still seen."""
_EVERY: Final = 0.1
"""Seconds between two looks: what a process uses after the last is missed."""
_KINDS: Final = {
    "orchestrator.engine.fork_server": "forks",
    "orchestrator.sweep.counting": "counting",
    "orchestrator.wandb": "W&B",
    "wandb-core": "W&B",
    **dict.fromkeys(("raylet/raylet", "gcs_server", "Agent", "agent", "dashboard.py", "monitor.py"), "Ray itself"),
    **dict.fromkeys(("ray::", "default_worker"), "workers"),
    "orchestrator": "driver",
}
"""Parts of command lines, the first that is found decides, and what the process is."""


@dataclass(slots=True)
class Run:
    """One sweep."""

    wall: float = 0.0
    cpu: Counter[str] = field(default_factory=Counter)
    """CPU-seconds by kind of process."""
    peak: int = 0
    """Bytes of all processes together, shared pages parted among those that share them; 0 where it was not looked at."""

    @property
    def spent(self) -> float:
        return sum(self.cpu.values())


class _Watched:
    """A command and all that it starts."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._began = process, time.monotonic()
        self._seen: dict[psutil.Process, tuple[str, float]] = {}
        self._run = Run()

    def until_ended(self, *, memory: bool) -> Run:
        while self._process.poll() is None:
            everything = psutil.Process().children(recursive=True)
            for process in everything:
                with suppress(psutil.Error):
                    self._look(process)
            if memory:
                self._run.peak = max(self._run.peak, sum(map(_proportional, everything)))
            time.sleep(_EVERY)
        self._run.wall = time.monotonic() - self._began
        for kind, seconds in self._seen.values():
            self._run.cpu[kind] += seconds
        return self._run

    def _look(self, process: psutil.Process) -> None:
        times = process.cpu_times()
        line = " ".join(process.cmdline())
        known = self._seen.get(process, ("others", 0.0))[0]
        kind = next((kind for part, kind in _KINDS.items() if part in line), known)
        self._seen[process] = (kind, times.user + times.system)


def _proportional(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


def sweep(checkout: Path, grid: Path, arguments: list[str], *, memory: bool = False) -> Run:
    """Run it with nothing decoded. Raises CalledProcessError where it does not succeed."""
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        environment = os.environ | {
            "ORCH_CACHE": f"{folder}/cache",
            "PYTHONPATH": str(checkout),
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "orchestrator", "sweep", str(grid), "-q", "--results", f"{folder}/results"]
        process = subprocess.Popen([*command, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        run = _Watched(process).until_ended(memory=memory)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    for orphan in psutil.Process().children():
        with suppress(psutil.Error):
            orphan.wait(60)
    return run


_MANY: Final = """\
name: many
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [8]}]
  optimizer: [sgd]
  regularizer: [none]
seeds: TRIALS
protocol: {epochs: EPOCHS}
wandb: {mode: disabled}
"""
_CLUSTER: Final = "name: many\ncpus: SLOTS\n"


def many_slots(checkout: Path, slots: int, epochs: int) -> Run:
    """As many trials at once on this machine, whatever it has."""
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        grid, cluster = Path(folder, "many.yaml"), Path(folder, "cluster.yaml")
        grid.write_text(_MANY.replace("TRIALS", str(slots)).replace("EPOCHS", str(epochs)))
        cluster.write_text(_CLUSTER.replace("SLOTS", str(slots)))
        return sweep(checkout, grid, ["--cluster", str(cluster)], memory=True)


def _compared(runs: dict[str, list[Run]]) -> str:
    """Medians, and the median of the rounds' ratios: what else runs changes from round to round."""
    figures = ("wall", "spent")
    rows = [
        [name, *(f"{median(getattr(run, each) for run in of):.1f}" for each in figures)] for name, of in runs.items()
    ]
    pairs = list(zip(*runs.values(), strict=True))
    ratios = [median(getattr(now, each) / getattr(before, each) for before, now in pairs) for each in figures]
    return markdown(
        ["quickstart", "wall, s", "CPU-s"], [*rows, ["median ratio", *(f"{ratio:.2f}" for ratio in ratios)]]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="a checkout of the code to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=0, help="measure the memory of so many slots too")
    parser.add_argument("--epochs", type=int, default=300, help="of each trial there")
    asked = parser.parse_args()
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    checkouts = {"before": asked.before.resolve(), "now": ROOT}
    runs: dict[str, list[Run]] = {name: [] for name in checkouts}
    for _ in range(asked.rounds):
        for name, checkout in checkouts.items():
            run = sweep(checkout, checkout / "examples" / "quickstart.yaml", [])
            runs[name].append(run)
            kinds = ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in run.cpu.most_common())
            print(f"{name}: {run.wall:.1f} s, {run.spent:.1f} CPU-s ({kinds})", flush=True)
    if asked.rounds:
        print(_compared(runs))
    if asked.slots:
        peaks = {name: many_slots(checkout, asked.slots, asked.epochs).peak for name, checkout in checkouts.items()}
        print(markdown(["all processes", "peak, MB"], [[name, f"{peak / 1e6:.0f}"] for name, peak in peaks.items()]))
        print(f"ratio {peaks['now'] / peaks['before']:.2f}")


if __name__ == "__main__":
    main()
