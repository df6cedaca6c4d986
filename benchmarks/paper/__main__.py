"""Runs the grids of examples/paper and writes docs/paper.md: every sentence with its claims and their verdicts.

    python -m benchmarks.paper [--only stills,clips] [--data DIR] [--results results/paper] [--engine inline] [--no-run]

Each grid is swept once (again: only what is missing), so the command may be stopped and given again. The tables of a grid
that is done are kept in docs/paper/, and a sweep goes on from those: on another machine nothing of it runs again. With
`--no-run` what is there is judged as it is. With `--seeds`, a look at a few, nothing is kept and the document is left alone.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.paper import pictures, sentences
from benchmarks.paper.document import Grid, document
from benchmarks.paper.kept import KEPT, bring_to_now, is_finished, is_of_now, keep, restore
from orchestrator.store.paths import ResultsPaths

ROOT: Final = Path(__file__).parents[2]
GRIDS: Final = ROOT / "examples" / "paper"
DOCUMENT: Final = ROOT / "docs" / "paper.md"


def sweep(grid: Path, results: Path, options: argparse.Namespace) -> None:
    asked = [sys.executable, "-m", "orchestrator", "sweep", str(grid), "--results", str(results)]
    asked += ["--engine", options.engine, *(["--data", str(options.data)] if options.data else [])]
    asked += ["--seeds", str(options.seeds)] if options.seeds else []
    subprocess.run(asked, check=False)  # its failures are in its table


def _run(name: str, grid: Path, options: argparse.Namespace) -> None:
    results, kept = ResultsPaths(options.results / name), ResultsPaths(KEPT / name)
    if kept.root.exists() and not results.root.exists() and not options.seeds:
        restore(kept, results)
    sweep(grid, results.root, options)
    if is_finished(results) and not options.seeds:
        keep(results, kept)


def _there(name: str, results: Path) -> ResultsPaths | None:
    """Where the tables of a grid are that has run: here, or as they were kept; None where it has not."""
    here, kept = ResultsPaths(results / name), ResultsPaths(KEPT / name)
    if is_finished(here) and is_of_now(here):
        return here
    if not is_finished(kept):
        return None
    if not is_of_now(kept):
        bring_to_now(kept)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    grids = {path.stem: path for path in sorted(GRIDS.glob("*.yaml")) if path != sentences.FILE}
    parser.add_argument("--only", default="", help=f"of {','.join(grids)}")
    parser.add_argument("--seeds", type=int, help="so many in place of each grid's own")
    parser.add_argument("--data", type=Path, help="the data folder; ORCH_DATA when not given")
    parser.add_argument("--results", type=Path, default=Path("results/paper"))
    parser.add_argument("--engine", choices=("ray", "inline"), default="ray")
    parser.add_argument("--no-run", action="store_true", help="judge what is there")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(grids)
    if unknown := set(names) - set(grids):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if not options.no_run:
        pictures.write()
        for name in names:
            _run(name, grids[name], options)
    written = document([Grid(grid, _there(name, options.results)) for name, grid in grids.items()])
    if options.seeds is None:
        DOCUMENT.write_text(written)
    print(written)


if __name__ == "__main__":
    main()
