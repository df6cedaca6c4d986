"""What a second worker changes of the training of a net with batch norm, at a batch of 4: two examples each.

    python -m benchmarks.sync_batch_norm [--seeds 12] [--dataset "{name: mnist, per_class: 100}"] [--json]

The same net, with the same seeds, on one worker and on two, which share the statistics of a batch
(`protocol.sync_batch_norm`) or do not. Differences of test accuracy are in points, by seed, with the mean's 95 % interval of
Student: splits, initial weights and the order of the examples are those of the seed in all three, so what remains of a
difference that has nothing to do with workers is rounding, which a training magnifies. Needs two CPUs.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.machine import machine
from benchmarks.table import markdown
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep

GRID: Final = """\
name: batch-norm
axes:
  dataset: %s
  model: {name: cnn, channels: [8, 16], hidden: [], batch_norm: true}
  optimizer: {name: sgd, lr: 0.02}
seeds: %d
protocol: {epochs: %d, batch_size: 4, sync_batch_norm: %s, keep_predictions: false}
resources: {workers: %d}
wandb: {mode: disabled}
"""


@dataclass(frozen=True)
class Difference:
    """Of two workers from one, in points of test accuracy."""

    what: str
    seeds: int
    one: float
    """Mean test accuracy, in per cent."""
    two: float
    mean: float
    low: float
    high: float
    largest: float
    """Of a seed, by magnitude."""
    same_ids: bool
    """Whether trials on two workers have the ids of those on one."""


def ended(folder: Path, dataset: str, seeds: int, epochs: int, *, shared: bool, workers: int) -> "pd.DataFrame":
    """Rows of `trials`, by seed. Raises SystemExit where one has not completed."""
    folder.mkdir()
    grid = folder / "grid.yaml"
    grid.write_text(GRID % (dataset, seeds, epochs, "true" if shared else "false", workers))
    engine = "inline" if workers == 1 else "ray"
    summary = run_sweep(SweepRequest(grid=grid, results=folder / "results", engine=engine), SilentProgress())
    rows = pd.read_parquet(summary.results / "trials.parquet").set_index("seed").sort_index()
    if summary.counts != {"completed": seeds} or set(rows["world_size"]) != {workers}:
        raise SystemExit(f"asked for {seeds} completed trials on {workers} workers and got {summary.counts}")
    return rows


def difference(what: str, one: pd.DataFrame, two: pd.DataFrame) -> Difference:
    """Two workers beside one, by seed."""
    accuracy = [100 * rows["test_accuracy"].to_numpy(dtype=float) for rows in (one, two)]
    apart = accuracy[1] - accuracy[0]
    reach = stats.t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5
    return Difference(
        what=what,
        seeds=len(apart),
        one=float(accuracy[0].mean()),
        two=float(accuracy[1].mean()),
        mean=float(apart.mean()),
        low=float(apart.mean() - reach),
        high=float(apart.mean() + reach),
        largest=float(np.abs(apart).max()),
        same_ids=bool((one["trial_id"] == two["trial_id"]).all()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--dataset", default="digits", help="as in a grid")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error("--seeds: at least 2, since one has no spread")
    here = machine()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for shared in (True, False):
            one, two = (
                ended(
                    Path(folder) / f"{shared}-{workers}",
                    options.dataset,
                    options.seeds,
                    options.epochs,
                    shared=shared,
                    workers=workers,
                )
                for workers in (1, 2)
            )
            found.append(difference(f"statistics of {'the whole batch' if shared else 'each part'}", one, two))
    if options.json:
        print(json.dumps(here | {"differences": [asdict(each) for each in found]}))
        return
    heads = (
        "2 workers less 1, points",
        "seeds",
        "1 worker",
        "2 workers",
        "mean",
        "95 % interval",
        "largest",
        "same ids",
    )
    rows = [
        (
            *(each.what, each.seeds, f"{each.one:.2f}", f"{each.two:.2f}", f"{each.mean:+.2f}"),
            *(f"{each.low:+.2f} to {each.high:+.2f}", f"{each.largest:.2f}", "yes" if each.same_ids else "no"),
        )
        for each in found
    ]
    print(markdown(heads, rows))


if __name__ == "__main__":
    main()
