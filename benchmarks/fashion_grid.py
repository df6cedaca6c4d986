"""A grid of 64 small convolutional networks on Fashion-MNIST, beside other ways to run it.

    python benchmarks/fashion_grid.py [--trials 64] [--peers-trials 16] [--epochs 1] [--only ours,floor] [--json FILE]

Ours is `orch sweep` as a process, on two slots, from its start to its end. The floor is a tight loop written by hand,
on one thread: as one process, whose wall divided by two is the floor on two slots, and as two processes in parallel, each
with half of the trials. Every way runs in a process of its own, one after another, and trains and evaluates the same.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Final

import pandas as pd

from benchmarks.fashion.configurations import first, write_grid
from benchmarks.machine import machine
from benchmarks.peer import Run, peer, run
from benchmarks.table import markdown

SLOTS: Final = 2
FLOOR: Final = "floor"
"""The way that the others are compared with."""


@dataclass(frozen=True)
class Measured:
    """One way, one number of trials."""

    way: str
    trials: int
    wall_seconds: float
    """On two slots, start-up included."""
    cpu_seconds: float
    test_accuracy: float
    """Mean over the trials: the ways train the same, so it is about the same."""


def ours(trials: int, epochs: int) -> Run:
    """`orch sweep` with results and decoded data in folders that are empty before."""
    with tempfile.TemporaryDirectory() as folder:
        grid, results = write_grid(Path(folder) / "grid.yaml", trials, epochs), Path(folder) / "results"
        arguments = ["sweep", str(grid), "--results", str(results), "--wandb", "disabled", "--json"]
        done = run(peer("orchestrator", arguments), environment={"ORCH_CACHE": str(Path(folder) / "cache")})
        counts = done.printed[0]["counts"]
        if counts != {"completed": trials}:
            raise SystemExit(f"asked for {trials} completed trials and got {counts}")
        return replace(done, printed=({"test_accuracy": _mean_accuracy(results)},))


def _mean_accuracy(results: Path) -> float:
    return float(pd.read_parquet(results / "trials.parquet")["test_accuracy"].mean())


def floor(trials: int, epochs: int) -> Run:
    """One process; its wall counts half, as if two of it ran without disturbing each other."""
    done = run(peer("benchmarks.peers.fashion_floor", _arguments(trials, epochs)))
    return replace(done, wall_seconds=done.wall_seconds / SLOTS)


def two_floors(trials: int, epochs: int) -> Run:
    """Two processes in parallel, which share the memory bandwidth and whatever else the cores do."""
    processes = min(SLOTS, trials)
    parts = ([*_arguments(trials, epochs), "--part", f"{index}/{processes}"] for index in range(processes))
    return run(*(peer("benchmarks.peers.fashion_floor", part) for part in parts))


def _under(module: str) -> Callable[[int, int], Run]:
    return lambda trials, epochs: run(peer(f"benchmarks.peers.{module}", _arguments(trials, epochs)))


def _arguments(trials: int, epochs: int) -> list[str]:
    return ["--trials", str(trials), "--epochs", str(epochs)]


WAYS: Final[dict[str, Callable[[int, int], Run]]] = {
    FLOOR: floor,
    "two-floors": two_floors,
    "ours": ours,
    "joblib": _under("fashion_joblib"),
    "tune-best": _under("fashion_tune_best"),
    "tune-usual": _under("fashion_tune_usual"),
}
LABELS: Final = {
    FLOOR: "tight loop, one process, wall / 2",
    "two-floors": "tight loop, two processes",
    "ours": "orch sweep",
    "joblib": "joblib over 2 processes",
    "tune-best": "Ray Tune at its best",
    "tune-usual": "Ray Tune as most people write it",
}
WHOLE: Final = ("floor", "two-floors", "ours")
"""Who runs all trials; everybody runs the peers' part."""


def measure(way: str, trials: int, epochs: int) -> Measured:
    done = WAYS[way](trials, epochs)
    accuracy = mean(printed["test_accuracy"] for printed in done.printed)
    return Measured(way, trials, done.wall_seconds, done.cpu_seconds, accuracy)


def table(rows: Sequence[Measured]) -> str:
    """Of one number of trials. Overhead: slot-seconds of a trial beyond those of the floor. Ratio: to the floor's wall."""
    base = next((row for row in rows if row.way == FLOOR), None)
    return markdown(
        [f"{rows[0].trials} trials", "wall s", "CPU s", "overhead a trial s", "ratio", "test accuracy"],
        [
            [
                LABELS[row.way],
                f"{row.wall_seconds:.1f}",
                f"{row.cpu_seconds:.0f}",
                f"{SLOTS * (row.wall_seconds - base.wall_seconds) / row.trials:.2f}" if base else "",
                f"{row.wall_seconds / base.wall_seconds:.2f}" if base else "",
                f"{row.test_accuracy:.4f}",
            ]
            for row in rows
        ],
    )


def efficiency(rows: Sequence[Measured]) -> str:
    """The floors' wall divided by ours, in words; empty where one of them was not measured."""
    walls = {row.way: row.wall_seconds for row in rows}
    if not {FLOOR, "two-floors", "ours"} <= set(walls):
        return ""
    one, two = (walls[way] / walls["ours"] for way in (FLOOR, "two-floors"))
    return f"\n\nEfficiency of orch sweep, start-up included: {one:.2f} of the floor, {two:.2f} of two tight loops at once."


def measured_parts(only: Sequence[str], whole: int, part: int, epochs: int) -> list[list[Measured]]:
    """The peers' part, then the whole grid where it is larger."""
    parts = [(part, [way for way in WAYS if way in only])]
    if whole != part:
        parts.append((whole, [way for way in WHOLE if way in only]))
    result = []
    for trials, ways in parts:
        rows = []
        for way in ways:
            rows.append(measure(way, trials, epochs))
            print(f"{trials} trials, {way}: {rows[-1].wall_seconds:.1f} s", file=sys.stderr, flush=True)
        result += [rows] if rows else []
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64, help="of ours and of the floor")
    parser.add_argument("--peers-trials", type=int, default=16, help="the part that everybody runs")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--only", default=",".join(WAYS), help=f"of {','.join(WAYS)}")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    only = options.only.split(",")
    if unknown := set(only) - set(WAYS):
        parser.error(f"--only knows {', '.join(WAYS)}; not {', '.join(sorted(unknown))}")
    for trials in (options.trials, options.peers_trials):
        try:
            first(trials)
        except ValueError as error:
            parser.error(str(error))
    here = machine()
    parts = measured_parts(only, options.trials, options.peers_trials, options.epochs)
    print("\n\n".join(table(rows) + efficiency(rows) for rows in parts))
    if options.json:
        figures = [asdict(row) for rows in parts for row in rows]
        options.json.write_text(json.dumps(here | {"epochs": options.epochs, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
