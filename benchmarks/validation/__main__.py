"""Runs the checks and writes docs/validation.md.

    python -m benchmarks.validation [--only mnist-cnn,2c2d] [--data DIR] [--results results/validation] [--no-run]

Each grid is swept once (again: only what is missing), so the command may be stopped and given again. With `--no-run` the
tables that are there are judged as they are. Hours on two cores.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.machine import machine
from benchmarks.table import markdown
from benchmarks.validation.checks import CHECKS, GRIDS, Check

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "validation.md"
_INTRODUCTION: Final = """# Validation

What the catalogue gives beside published figures, and beside what each control has to come to. Written by
`python -m benchmarks.validation`, which anyone can run. A row that has not been run says so; one that misses its figure
stays. Accuracies are of the test split: mean and standard deviation over seeds.
"""


def sweep(grid: Path, results: Path, data: Path | None) -> None:
    asked = [sys.executable, "-m", "orchestrator", "sweep", str(grid), "--results", str(results)]
    subprocess.run([*asked, *(["--data", str(data)] if data else [])], check=False)  # its failures are in its table


def row(check: Check, results: Path) -> list[str]:
    """As the table has it."""
    measured, met = "not run", ""
    table = results / "trials.parquet"
    if table.exists():
        trials = pd.read_parquet(table)
        trials = trials[trials["planned"]]
        left = int((trials["status"] != "completed").sum())
        try:
            result = check.judge(trials[trials["status"] == "completed"])
        except KeyError as missing:
            measured = f"not run ({missing.args[0]})"
        else:
            measured = result.measured + (f"; {left} trials of the grid not completed" if left else "")
            met = "yes" if result.met else "**no**"
    return [check.about, check.published or "-", check.wanted, measured, met, f"examples/{check.grid}"]


def commits(results: Path) -> str:
    """Of the code under which the completed trials ran: it may be older than this page."""
    found: set[str] = set()
    for folder in {_place(results, check.grid) for check in CHECKS}:
        if (folder / "trials.parquet").exists():
            trials = pd.read_parquet(folder / "trials.parquet", columns=["status", "environment_id"])
            ran = set(trials.loc[trials["status"] == "completed", "environment_id"])
            known = pd.read_parquet(folder / "environments.parquet", columns=["environment_id", "git_commit"])
            found |= set(known.loc[known["environment_id"].isin(ran), "git_commit"].dropna().str[:7])
    return f"Trials ran under the code of {', '.join(sorted(found))}." if found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"of {','.join(check.name for check in CHECKS)}")
    parser.add_argument("--data", type=Path, help="the data folder; ORCH_DATA when not given")
    parser.add_argument("--results", type=Path, default=Path("results/validation"))
    parser.add_argument("--no-run", action="store_true", help="judge what is there")
    options = parser.parse_args()
    names = set(options.only.split(",")) if options.only else {check.name for check in CHECKS}
    if unknown := names - {check.name for check in CHECKS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if not options.no_run:
        for grid in dict.fromkeys(check.grid for check in CHECKS if check.name in names):
            sweep(GRIDS / grid, _place(options.results, grid), options.data)
    rows = [row(check, _place(options.results, check.grid)) for check in CHECKS]
    here = ", ".join(f"{key} {value}" for key, value in machine().items() if key != "load_before")
    table = markdown(["what", "published", "wanted", "measured", "met", "grid"], rows)
    DOCUMENT.write_text(f"{_INTRODUCTION}\n{here}\n\n{commits(options.results)}\n\n{table}\n")
    print(table)


def _place(results: Path, grid: str) -> Path:
    return results / Path(grid).stem


if __name__ == "__main__":
    main()
