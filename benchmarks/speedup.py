"""Whether a speed-up is the same figure each time, beside a process that takes a core for itself.

    python benchmarks/speedup.py [--times 5] [--alone]

The same small sweep of variants again and again, each in a process and a results directory of its own; the table has, for
each variant, the median of its speed-ups and their spread: the greatest over the least, less one.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.table import markdown

GRID: Final = """\
name: speedup
axes:
  dataset: {name: digits, resize: 28}
  model: [{name: cnn, channels: [16, 32], hidden: 64, batch_norm: true}, {name: mlp, hidden: 128}]
  optimizer: {name: adam, lr: 0.003}
  deployment:
    - {name: prune, amount: 0.9, epochs: 0}
    - {name: prune, structure: channels, epochs: 0}
    - {name: int8, kind: static, runtime: onnxruntime}
    - export
seeds: 1
protocol: {epochs: 1, batch_size: 64}
wandb: {mode: disabled}
"""
MEASURED: Final = ["speedup", "batch_speedup"]


@contextmanager
def hog(wanted: bool) -> Iterator[None]:
    """A process that computes all the time on the cores that this one may use."""
    if not wanted:
        yield
        return
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def measure(times: int) -> pd.DataFrame:
    """The rows of all variants, of all sweeps. Raises CalledProcessError where one fails."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        grid = Path(folder) / "grid.yaml"
        grid.write_text(GRID)
        for number in range(times):
            results = Path(folder) / str(number)
            asked = ["sweep", str(grid), "--engine", "inline", "--results", str(results), "--quiet"]
            subprocess.run([sys.executable, "-m", "orchestrator", *asked], check=True)
            found.append(pd.read_parquet(results / "trials.parquet").query("deployment != 'none'"))
    return pd.concat(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="without the other process")
    options = parser.parse_args()
    with hog(not options.alone):
        rows = measure(options.times)
    lines = []
    for (model, deployment), cell in rows.groupby(["model", "deployment"]):
        spreads = [
            f"{cell[name].median():.2f} (spread {100 * (cell[name].max() / cell[name].min() - 1):.1f} %)"
            for name in MEASURED
        ]
        lines.append([str(model), str(deployment), *spreads])
    print(markdown(["model", "variant", "one example", "a batch of 64"], lines))


if __name__ == "__main__":
    main()
