"""What `orch plan` costs on a million trials, beside a bare `import torch, torchvision`.

    python benchmarks/plan_scale.py [--json]

Each run is a process of its own; wall seconds and the greatest resident set are those of the process. The budget is
5 s and 300 MB beyond the bare import, whatever the shape of the grid, and whether or not the results directory holds
trials already.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

SECONDS, MEGABYTES = 5.0, 300.0
ROOT = Path(__file__).parents[1]


def numbers(count: int, most: float = 1.0) -> str:
    """Distinct values in (0, most), as YAML writes a list."""
    return "[" + ", ".join(f"{most * (index + 1) / (count + 1):.9g}" for index in range(count)) + "]"


OTHER = "name: other\naxes: {dataset: digits, model: {name: mlp, hidden: [4]}, optimizer: sgd}\nprotocol: {epochs: 1}\n"
"""A sweep of one trial: beside what it leaves, the cells of a grid that are there already have to be found."""
HEAD = "name: scale\naxes:\n  dataset: digits\n"
SHAPES = {
    "few levels x 100,000 seeds": (
        f"{HEAD}  model: [mlp, lstm]\n  optimizer: {{name: sgd, lr: {numbers(5)}}}\nseeds: 100000\n"
    ),
    "100 lr x 100 momentum x 10 models x 10 dropouts x 10 seeds": (
        f"{HEAD}  model: {{name: mlp, hidden: {[[8 * (index + 1)] for index in range(10)]}}}\n"
        f"  optimizer: {{name: sgd, lr: {numbers(100)}, momentum: {numbers(100)}}}\n"
        f"  regularizer: {{name: dropout, p: {numbers(10)}}}\nseeds: 10\n"
    ),
    "one optimizer of 1,000 x 1,000 values": (
        f"{HEAD}  model: mlp\n  optimizer: {{name: sgd, lr: {numbers(1000)}, momentum: {numbers(1000)}}}\n"
    ),
    "one model of 1,000 x 1,000 values": (
        f"{HEAD}  model: {{name: lstm, hidden: {list(range(1, 1001))}, layers: {list(range(1, 1001))}}}\n"
        "  optimizer: sgd\n"
    ),
    "one regularizer of 1,000 x 1,000 values": (
        f"{HEAD}  model: mlp\n  optimizer: sgd\n"
        f"  regularizer: {{name: augment, rotation: {numbers(1000)}, colour: {numbers(1000)}}}\n"
    ),
    "1,000 models x 1,000 regularizers, with rules": (
        f"{HEAD}  model: {{name: mlp, hidden: {[[index + 1] for index in range(1000)]}}}\n  optimizer: sgd\n"
        f"  regularizer: {{name: dropout, p: {numbers(1000)}}}\n"
        "exclude: [{model: {name: mlp, hidden: [7]}}]\n"
        "overrides: [{when: {model: {name: mlp, hidden: [8]}}, set: {protocol.epochs: 20}}]\n"
    ),
}


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    what: str
    seconds: float
    megabytes: float
    beyond_seconds: float = 0.0
    beyond_megabytes: float = 0.0
    trials: int = 0

    @property
    def within(self) -> bool:
        return self.beyond_seconds <= SECONDS and self.beyond_megabytes <= MEGABYTES


def measured(what: str, arguments: list[str]) -> tuple[Cost, str]:
    """Run Python with these arguments; its cost and what it printed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as printed:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], stdout=printed, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{what}: ended with {process.returncode}")
        printed.seek(0)
        return Cost(what, seconds, used.ru_maxrss / 1024), printed.read()


def planned(what: str, text: str, folder: Path, results: Path, bare: Cost) -> Cost:
    grid = folder / "grid.yaml"
    grid.write_text(text)
    asked = ["-m", "orchestrator", "plan", str(grid), "--results", str(results), "--json"]
    cost, printed = measured(what, asked)
    return Cost(
        what,
        cost.seconds,
        cost.megabytes,
        cost.seconds - bare.seconds,
        cost.megabytes - bare.megabytes,
        json.loads(printed)["trials"],
    )


def sweep_once(folder: Path, results: Path) -> None:
    """Leave a journal in `results`."""
    grid = folder / "other.yaml"
    grid.write_text(OTHER)
    asked = ["sweep", str(grid), "--engine", "inline", "--results", str(results), "--wandb", "disabled", "-q"]
    measured("a sweep of one trial", ["-m", "orchestrator", *asked])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    measured("warm the page cache", ["-c", "import torch, torchvision"])
    bare = min(
        (measured("import torch, torchvision", ["-c", "import torch, torchvision"])[0] for _ in range(3)),
        key=lambda cost: cost.seconds,
    )
    with tempfile.TemporaryDirectory() as folder:
        empty, full = Path(folder) / "empty", Path(folder) / "full"
        sweep_once(Path(folder), full)
        costs = [planned(what, text, Path(folder), empty, bare) for what, text in SHAPES.items()]
        costs += [planned(f"{what}; a journal", text, Path(folder), full, bare) for what, text in SHAPES.items()]
    if as_json:
        print(json.dumps([asdict(cost) | {"within": cost.within} for cost in (bare, *costs)], indent=2))
    else:
        print(f"{'':70} {'trials':>9} {'wall s':>7} {'beyond':>7} {'MB':>6} {'beyond':>7}")
        for cost in (bare, *costs):
            print(
                f"{cost.what:70} {cost.trials:9,} {cost.seconds:7.1f} {cost.beyond_seconds:7.1f}"
                f" {cost.megabytes:6.0f} {cost.beyond_megabytes:7.0f}{'' if cost.within else '  over the budget'}"
            )
    sys.exit(0 if all(cost.within for cost in costs) else 1)


if __name__ == "__main__":
    main()
