"""What heads on one frozen net cost where its features are computed once a node, beside another checkout of orch.

    python -m benchmarks.frozen_features --beside ../orch-of-before [--pictures 2000]

Made-up pictures in folders by class; 12 heads (4 learning rates x 3 regularizers) on a frozen EfficientNet-Lite0 at 112 x
112, each trial in one process and on one thread, with a cache that is empty at first. The same grid runs in both
checkouts, and each trial's test loss is set beside the other's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmarks.machine import machine
from benchmarks.table import markdown

ROOT: Final = Path(__file__).parents[1]
CLASSES: Final = 10
SIDE: Final = 32
GRID: Final = """\
name: heads
axes:
  dataset: {name: image_folder, path: pictures}
  model: {name: "pretrained:efficientnet_lite0", weights: WEIGHTS, size: 112}
  optimizer: {name: adam, lr: [0.0003, 0.001, 0.003, 0.01]}
  regularizer: [none, {name: dropout, p: 0.3}, {name: weight_decay, value: 0.001}]
seeds: 1
protocol: {epochs: 5, batch_size: 32}
wandb: {mode: disabled}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A sweep that has ended, of 12 trials."""

    cpu_seconds: float
    """User and system, of its whole process."""
    trials: pd.DataFrame
    feature_bytes: int
    """That the cache holds."""


def write_pictures(folder: Path, count: int) -> None:
    """Write coloured pictures, of each class with stripes of a direction and a width of its own, under noise."""
    rng = np.random.default_rng(0)
    for number in range(count):
        label = number % CLASSES
        home = folder / str(label)
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_picture(label, rng)).save(home / f"{number:05}.png")


def _picture(label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    angle, period = np.pi * label / CLASSES + rng.normal(0, 0.1), 4 + label % 3
    rows, columns = np.mgrid[:SIDE, :SIDE]
    phase = (rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi)
    stripes = (0.5 + 0.3 * np.sin(phase))[..., None] * rng.uniform(0.4, 1, 3)
    noisy: NDArray[np.uint8] = (255 * np.clip(stripes + rng.normal(0, 0.2, (SIDE, SIDE, 3)), 0, 1)).astype(np.uint8)
    return noisy


def sweep(checkout: Path, home: Path, name: str) -> Ran:
    """Run the grid of `home` with the code of a checkout. Raises SystemExit where it fails."""
    cache, results = home / f"cache-{name}", home / f"results-{name}"
    surroundings = {"PYTHONPATH": str(checkout), "ORCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    asked = ["sweep", str(home / "grid.yaml"), "--engine", "inline", "--results", str(results), "--quiet"]
    command = [sys.executable, "-m", "orchestrator", *asked]
    process = subprocess.Popen(command, cwd=checkout, env=os.environ | surroundings)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    kept = sum(file.stat().st_size for file in (cache / "features").rglob("*.npy"))
    return Ran(used.ru_utime + used.ru_stime, pd.read_parquet(results / "trials.parquet"), kept)


def line(name: str, ran: Ran) -> list[str]:
    """A row of the table."""
    features = ran.trials.get("feature_seconds")  # early versions had no such column
    return [
        name,
        f"{ran.cpu_seconds:.1f}",
        f"{ran.cpu_seconds / len(ran.trials):.2f}",
        "-" if features is None else f"{features.max():.2f}",
        "-" if features is None else f"{features.median():.3f}",
        f"{ran.trials.eval_seconds.median():.2f}",
        f"{ran.feature_bytes / 1e6:.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, help="another checkout, whose code runs the same grid first")
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--weights", default="default", help="`default`, or `none`: an untrained net")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_pictures(home / "pictures", options.pictures)
        (home / "grid.yaml").write_text(GRID.replace("WEIGHTS", options.weights))
        print(json.dumps(machine()))
        before = None if options.beside is None else sweep(options.beside.resolve(), home, "before")
        now = sweep(ROOT, home, "now")
    header = ["code", "CPU-s", "a trial", "feature_seconds, most", "median", "eval_seconds, median", "features, MB"]
    rows = [] if before is None else [line(f"`{options.beside.name}`", before)]
    print(markdown(header, [*rows, line("this", now)]))
    if before is not None:
        print(compared(before, now))


def compared(before: Ran, now: Ran) -> str:
    """What the figures come to, each trial beside its own."""
    heads = ["optimizer", "regularizer"]
    one, other = (ran.trials.set_index(heads).test_cross_entropy.sort_index().to_numpy() for ran in (before, now))
    share, apart = now.cpu_seconds / before.cpu_seconds, np.abs(one - other).max()
    return f"{share:.3f} of the CPU-seconds; test losses, of {one.min():.3f} and more, differ by at most {apart:.1e}"


if __name__ == "__main__":
    main()
