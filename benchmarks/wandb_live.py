"""How long after an epoch its row is at W&B, for a trial of some minutes whose run is live, and what a killed sweep does.

`python -m benchmarks.wandb_live [--epochs 700] [--kill] [--json]` trains one small network against a server on loopback, as
a grid without a section `wandb` does, and compares when the journal has each row with when the server has it. With `--kill`
the sweep is killed when half of the rows have arrived, and begun again: the trial goes on from its checkpoint, and its run
with it. Each row has to be there once, of one run.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.machine import machine
from benchmarks.table import markdown
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.wandb_server import KEY, WandbServer
from tests.wandb_server.account import Run

GRID: Final = """\
name: live
axes:
  dataset: [digits]
  model: [{{name: cnn, channels: [16, 32]}}]
  optimizer: [adam]
  regularizer: [none]
seeds: 1
protocol: {{epochs: {epochs}}}
"""
_EVERY: Final = 0.05
"""Seconds between two looks into the journal, by which a row may be found too late."""


@dataclass(frozen=True)
class Shown:
    """One trial."""

    train_seconds: float
    rows: int
    first: float
    """Seconds from when the journal had the first row until the server had it."""
    middle: float
    """The same, the median of all rows."""
    longest: float
    again: int
    """Lines that arrived once more, at the places where they lay already."""


class Noticed:
    """When the journal was first seen with each number of rows, on the monotonic clock."""

    def __init__(self, paths: ResultsPaths) -> None:
        self.at: list[float] = []
        self._paths, self._over = paths, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._paths.wandb_log.exists():  # which is made after the journal
            time.sleep(_EVERY)
        journal = Journal.read(self._paths.journal)
        while not self._over.wait(_EVERY):
            ((rows,),) = journal.query("SELECT count(*) FROM epochs")
            self.at += [time.monotonic()] * (rows - len(self.at))
        journal.close()


def measure(epochs: int, *, kill: bool) -> Shown:
    with TemporaryDirectory(prefix="o-") as folder, WandbServer() as server:
        paths = ResultsPaths(Path(folder) / "results")
        (Path(folder) / "grid.yaml").write_text(GRID.format(epochs=epochs))
        own = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        own |= {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url, "OMP_NUM_THREADS": "1"}
        start = [sys.executable, "-m", "orchestrator", "sweep", "grid.yaml", "--results", str(paths.root), "-q"]
        start += ["--engine", "inline", "--wandb", "online"]
        noticed = Noticed(paths)
        sweep = subprocess.Popen(start, cwd=folder, env=own)
        if kill:
            _wait_for_rows(server, epochs // 2)
            sweep.kill()
            sweep.wait()
            sweep = subprocess.Popen(start, cwd=folder, env=own)
        if code := sweep.wait():
            raise SystemExit(f"the sweep ended with {code}")
        noticed.end()
        return _shown(_only(server, epochs), noticed.at, _train_seconds(paths))


def _wait_for_rows(server: WandbServer, count: int) -> None:
    while True:
        with server.lock:
            if any(len(run.history) >= count for run in server.account.runs.values()):
                return
        time.sleep(_EVERY)


def _only(server: WandbServer, epochs: int) -> Run:
    """The run, which has each row once and has ended."""
    runs = list(server.account.runs.values())
    steps = [[row["_step"] for row in run.history] for run in runs]
    if steps != [list(range(1, epochs + 1))] or runs[0].state != "finished" or server.unknown:
        raise SystemExit(f"{[run.state for run in runs]}: {len(runs)} runs with the rows {steps}; {server.unknown[:3]}")
    return runs[0]


def _shown(run: Run, noticed: Sequence[float], trained: float) -> Shown:
    late = [arrived - noticed[step - 1] for step, arrived in run.arrivals]
    again = run.received - len(run.history)
    return Shown(trained, len(run.history), late[0], median(late), max(late), again)


def _train_seconds(paths: ResultsPaths) -> float:
    journal = Journal.read(paths.journal)
    ((seconds,),) = journal.query("SELECT train_seconds FROM trials")
    journal.close()
    return float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=700)
    parser.add_argument("--kill", action="store_true", help="kill the sweep half-way, and begin it again")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    about, shown = machine(), measure(options.epochs, kill=options.kill)
    if options.json:
        print(json.dumps({"machine": about, "trial": asdict(shown)}, indent=2))
        return
    print(about)
    header = ("training, s", "rows, each once", "first row, s", "median, s", "longest, s", "sent again")
    figures = (f"{value:.1f}" for value in (shown.first, shown.middle, shown.longest))
    print(markdown(header, [(f"{shown.train_seconds:.0f}", shown.rows, *figures, shown.again)]))


if __name__ == "__main__":
    main()
