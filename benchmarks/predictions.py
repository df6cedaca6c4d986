"""What it costs to keep predictions: bytes on the disk, CPU seconds of trials, commands and exports of a large directory.

    ORCH_DATA=~/data python -m benchmarks.predictions [--trials 10000] [--examples 10000] [--json]

*Size*: MNIST, a net that was trained and one that was not, bytes of `predictions.parquet` for each of 10,000 test examples
and trial. *Trials*: the same sweep with and without predictions in turn, CPU seconds of the whole process. *Scale*: two
directories that nobody trained, equal but for predictions; `orch status` as a process of its own, and an export as a sweep
does it every 30 s.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.machine import machine
from benchmarks.made_up import write_made_up
from benchmarks.table import markdown
from benchmarks.watched import ROOT
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import Part, parts_in
from orchestrator.store.tables import export

GRID: Final = """\
name: mnist
axes:
  dataset: [mnist]
  model: [{{name: mlp, hidden: [64]}}]
  optimizer: [{{name: sgd, lr: {rate}}}]
  regularizer: [none]
seeds: {seeds}
protocol: {{epochs: {epochs}, batch_size: 256, keep_predictions: {kept}}}
wandb: {{mode: disabled}}
"""
TIMES: Final = 5
"""That each thing is measured, in turn."""


@dataclass(frozen=True)
class Figure:
    """One thing that was measured."""

    what: str
    value: float
    unit: str


def sizes(folder: Path) -> Iterator[Figure]:
    for what, rate, epochs in (("untrained", 1e-9, 1), ("trained for 5 epochs", 0.2, 5)):
        results = folder / what.replace(" ", "-")
        _sweep(results, rate=rate, epochs=epochs, seeds=10, kept=True)
        yield Figure(f"MNIST, {what}: an example and trial", _bytes_each(ResultsPaths(results)), "B")


def trials(folder: Path) -> Iterator[Figure]:
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for time_ in range(TIMES):
        for kept in (True, False):
            seconds[kept].append(_sweep(folder / f"{time_}-{kept}", rate=0.2, epochs=1, seeds=5, kept=kept))
    yield Figure("5 trials of one epoch of MNIST, with predictions, CPU", median(seconds[True]), "s")
    yield Figure("the same without, CPU", median(seconds[False]), "s")


def scale(folder: Path, count: int, examples: int) -> Iterator[Figure]:
    made = {}
    for kept in (True, False):
        variants = max(1, count // 1000)
        root = folder / f"made-up-{kept}"
        made[kept] = write_made_up(root, seeds=5, variants=variants, broken_down=False, examples=examples * kept)
    yield Figure(f"{count} trials of {examples} examples: an example and trial", _bytes_each(made[True]), "B")
    for what, measured in (("orch status", _status), ("an export", _export)):
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(TIMES):
            for kept in (True, False):
                seconds[kept].append(measured(made[kept]))
        yield Figure(f"{what}, with predictions, CPU", min(seconds[True]), "s")
        yield Figure(f"{what}, without, CPU", min(seconds[False]), "s")
    yield Figure("journal, with", made[True].journal.stat().st_size / 2**20, "MB")
    yield Figure("journal, without", made[False].journal.stat().st_size / 2**20, "MB")


def _sweep(results: Path, *, rate: float, epochs: int, seeds: int, kept: bool) -> float:
    """CPU seconds of the process."""
    grid = results.with_suffix(".yaml")
    grid.write_text(GRID.format(rate=rate, epochs=epochs, seeds=seeds, kept=str(kept).lower()))
    return _cpu_seconds(["sweep", str(grid), "--engine", "inline", "--results", str(results)])


def _cpu_seconds(arguments: list[str]) -> float:
    """Of a command, as a process of its own: other work on the machine changes it little."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "orchestrator", *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def _bytes_each(paths: ResultsPaths) -> float:
    files = [paths.predictions / name for name in parts_in(paths.predictions)]
    rows = sum(trial.examples for file in files for trial in Part.read(file).trials)
    return sum(file.stat().st_size for file in files) / rows


def _status(paths: ResultsPaths) -> float:
    return _cpu_seconds(["status", str(paths.root)])


def _export(paths: ResultsPaths) -> float:
    with closing(Journal.read(paths.journal)) as journal:
        began = time.process_time()
        export(journal, paths, everything=False)
        return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    here = machine()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        figures = [*sizes(folder), *trials(folder), *scale(folder, options.trials, options.examples)]
    rows = [[figure.what, f"{figure.value:.2f}", figure.unit] for figure in figures]
    text = markdown(["", "measured", "unit"], rows)
    print(json.dumps(here | {"figures": [asdict(figure) for figure in figures]}) if options.json else text)


if __name__ == "__main__":
    main()
