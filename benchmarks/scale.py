"""What orch costs at 10,000 trials of 100 epochs: commands, a resume, the tables, the driver's memory, the journal's size.

    python benchmarks/scale.py [--trials 10000] [--epochs 100] [--engine inline] [--json] [--keep FOLDER]

Half of the trials run first, through the real journal and tables; the grid with all of them is the resume. Null trials,
so everything that is measured is orch's own. Each line is a process of its own, started anew; its seconds are from the start
of the process to its end.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.machine import machine
from benchmarks.null_grid import write_null_grid
from benchmarks.table import markdown
from benchmarks.watched import Watched, watched

STATUS_SECONDS: Final = 1.0
FIRST_TRIAL_SECONDS: Final = 15.0
TABLES_SECONDS: Final = 10.0
DRIVER_MB: Final = 600.0


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, beside what it may be."""

    what: str
    value: float
    unit: str
    most: float | None = None

    @property
    def within(self) -> bool:
        return self.most is None or self.value <= self.most


def measure(folder: Path, trials: int, epochs: int, engine: str) -> list[Figure]:
    results = folder / "results"
    half = write_null_grid(folder / "half.yaml", trials, epochs=epochs, share=0.5)
    whole = write_null_grid(folder / "whole.yaml", trials, epochs=epochs)
    return [
        *_sweep("the first half", half, results, engine),
        *_sweep("resume", whole, results, engine),
        *_sweep("nothing left", whole, results, engine),
        *_commands(whole, results),
        *_sizes(results),
    ]


def _sweep(what: str, grid: Path, results: Path, engine: str) -> list[Figure]:
    run = watched(["-m", "benchmarks.scale_sweep", str(grid), str(results), engine])
    summary = json.loads(run.printed.splitlines()[-1])
    figures = [Figure(f"{what}: tables written", summary["export_seconds"], "s", TABLES_SECONDS), *_memory(what, run)]
    if summary["ran"]:
        each = 1000 * summary["run_seconds"] / summary["ran"]
        figures = [
            Figure(f"{what}: first trial begins", summary["first_trial"], "s", FIRST_TRIAL_SECONDS),
            Figure(f"{what}: a trial", each, "ms"),
            *figures,
        ]
    return figures


def _memory(what: str, run: Watched) -> list[Figure]:
    return [
        Figure(f"{what}: driver, resident", run.peak_mb, "MB", DRIVER_MB),
        Figure(f"{what}: driver, of its own", run.own_mb, "MB"),
    ]


def _commands(grid: Path, results: Path) -> list[Figure]:
    asked = {
        "status": [str(results)],
        "results --limit 20": [str(results), "--limit", "20"],
        "results --csv": [str(results), "--csv"],
        "plan": [str(grid), "--results", str(results)],
        "report": [str(results)],
    }
    figures = []
    for what, arguments in asked.items():
        command = ["-m", "orchestrator", what.split()[0], *arguments]
        run = min((watched(command) for _ in range(3)), key=lambda run: run.seconds)
        most = STATUS_SECONDS if what == "status" else None
        figures += [Figure(f"orch {what}", run.seconds, "s", most), Figure(f"orch {what}: resident", run.peak_mb, "MB")]
    return figures


def _sizes(results: Path) -> list[Figure]:
    journal = sum(file.stat().st_size for file in results.glob("journal.sqlite*"))
    tables = sum(file.stat().st_size for file in results.glob("*.parquet"))
    return [Figure("journal", journal / 2**20, "MB"), Figure("tables", tables / 2**20, "MB")]


def table(figures: list[Figure]) -> str:
    rows = [
        [
            figure.what,
            f"{figure.value:.2f}" if figure.unit != "MB" else f"{figure.value:.0f}",
            figure.unit,
            "" if figure.most is None else f"{figure.most:g}{'' if figure.within else ' (missed)'}",
        ]
        for figure in figures
    ]
    return markdown(["", "measured", "unit", "at most"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--engine", choices=["inline", "ray"], default="inline")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--keep", type=Path, help="an empty folder that is left as it is at the end")
    options = parser.parse_args()
    here = machine()
    folder = Path(tempfile.mkdtemp()) if options.keep is None else options.keep
    folder.mkdir(parents=True, exist_ok=True)
    try:
        figures = measure(folder, options.trials, options.epochs, options.engine)
    finally:
        if options.keep is None:
            shutil.rmtree(folder)
    print(json.dumps(here | {"figures": [asdict(figure) for figure in figures]}) if options.json else table(figures))
    sys.exit(0 if all(figure.within for figure in figures) else 1)


if __name__ == "__main__":
    main()
