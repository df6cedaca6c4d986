"""Runs the grids of examples/paper and writes docs/paper.md: every claim with the verdict that it came to.

    python -m benchmarks.paper [--only stills,clips] [--seeds N] [--data DIR] [--results results/paper] [--no-run]

Each grid is swept once (again: only what is missing), so the command may be stopped and given again. With `--no-run` what is
there is judged as it is; with `--seeds`, a look at a few, the document is left alone. Two to three hours on two cores.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.machine import machine
from benchmarks.paper import sentences
from orchestrator.errors import OrchError
from orchestrator.evidence.judge import Judgement, judge
from orchestrator.evidence.text import lines_of, number, outcome_of, summary
from orchestrator.store.reading import results_at

ROOT: Final = Path(__file__).parents[2]
GRIDS: Final = ROOT / "examples" / "paper"
DOCUMENT: Final = ROOT / "docs" / "paper.md"
CAVEATS: Final = Path(__file__).with_name("caveats.md")
"""What the grids test other than their sentences say, until they are designed anew."""
_INTRODUCTION: Final = """# A study as claims

The study that inspired this program says which networks, regularizers and optimizers do better in image recognition, and
when, without a single figure. Here are its conclusions as claims, each stated in a grid of `examples/paper/` before it ran,
with the verdicts as they fell, contradictions included. Small networks on small data, two cores: a verdict is one on these
cells, not on all networks, and some claims test something other than the sentence that they stand for
([which](#what-these-claims-do-not-test)). Written by `make paper`, which anyone can run; [claims.md](claims.md) says how a
verdict comes about.
"""


def sweep(grid: Path, results: Path, data: Path | None, seeds: int | None) -> None:
    asked = [sys.executable, "-m", "orchestrator", "sweep", str(grid), "--results", str(results)]
    asked += [*(["--data", str(data)] if data else []), *(["--seeds", str(seeds)] if seeds else [])]
    subprocess.run(asked, check=False)  # its failures are in its table


def document(judged: Sequence[tuple[Path, Judgement | str]]) -> str:
    here = ", ".join(f"{key} {value}" for key, value in machine().items() if key != "load_before")
    every = [verdict for _, found in judged if not isinstance(found, str) for verdict in found.verdicts]
    message = summary(every) if every else "nothing has been run"
    summed = [_INTRODUCTION, here, "", f"**{message}.**", "", *_table(judged), ""]
    outcomes = {verdict.claim.id: outcome_of(verdict) for verdict in every}
    about = [*sentences.section(outcomes), CAVEATS.read_text(encoding="utf-8")]
    return "\n".join([*summed, *about, *_details(judged)])


def _table(judged: Sequence[tuple[Path, Judgement | str]]) -> Iterator[str]:
    yield "| claim | verdict | scope | on | effect | 95 % interval | p (Holm) | n | grid |"
    yield "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
    for grid, found in judged:
        where = f"[{grid.stem}](../examples/paper/{grid.name})"
        if isinstance(found, str):
            yield f"| {grid.stem} | not run | | | | | | | {where} |"
            continue
        for verdict in found.verdicts:
            p = "" if verdict.corrected is None else number(verdict.corrected)
            interval = f"{number(verdict.low)} to {number(verdict.high)}"
            figures = f"{number(verdict.effect)} | {interval} | {p} | {verdict.units.pairs}"
            claim, on = f"{verdict.claim.id}: {verdict.claim.text}", verdict.claim.on.name
            yield f"| {claim} | **{outcome_of(verdict)}** | {verdict.scope} | {on} | {figures} | {where} |"


def _details(judged: Sequence[tuple[Path, Judgement | str]]) -> Iterator[str]:
    for grid, found in judged:
        yield f"## {grid.stem}\n"
        if isinstance(found, str):
            yield f"Not run: {found}\n"
            continue
        yield "```text"
        yield "\n\n".join("\n".join(lines_of(verdict)) for verdict in found.verdicts)
        yield "```\n"


def _judged(grid: Path, results: Path) -> Judgement | str:
    """What there is, or why there is nothing."""
    try:
        return judge(results_at(results), grid)
    except OrchError as nothing:
        return str(nothing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    grids = {path.stem: path for path in sorted(GRIDS.glob("*.yaml")) if path != sentences.FILE}
    parser.add_argument("--only", default="", help=f"of {','.join(grids)}")
    parser.add_argument("--seeds", type=int, help="so many in place of each grid's own")
    parser.add_argument("--data", type=Path, help="the data folder; ORCH_DATA when not given")
    parser.add_argument("--results", type=Path, default=Path("results/paper"))
    parser.add_argument("--no-run", action="store_true", help="judge what is there")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(grids)
    if unknown := set(names) - set(grids):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if not options.no_run:
        for name in names:
            sweep(grids[name], options.results / name, options.data, options.seeds)
    written = document([(grid, _judged(grid, options.results / name)) for name, grid in grids.items()])
    if options.seeds is None:
        DOCUMENT.write_text(written)
    print(written)


if __name__ == "__main__":
    main()
