"""The Fashion-MNIST grid on one GPU, four trials at a time on a share of it.

    python benchmarks/gpu.py [--trials 64] [--epochs 1] [--engine ray|inline] [--json FILE]

Where Ray is not installed the trials run one after another in this process, and the table says so.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pandas as pd
import torch

from benchmarks.fashion.configurations import first, write_grid
from benchmarks.machine import machine
from benchmarks.table import markdown
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import EngineName, SweepRequest, run_sweep

SHARE: Final = 0.25
"""Of the GPU, for each slot."""


@dataclass(frozen=True)
class OnGpu:
    """One sweep."""

    gpu: str
    engine: EngineName
    trials: int
    startup_seconds: float
    run_seconds: float
    export_seconds: float
    test_accuracy: float
    """Mean over the trials."""

    @property
    def wall_seconds(self) -> float:
        return self.startup_seconds + self.run_seconds + self.export_seconds


def measure(trials: int, epochs: int, engine: EngineName) -> OnGpu:
    """Raises SystemExit when a trial is missing."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = Path(folder) / "one-gpu.yaml"
        cluster.write_text(f"name: one-gpu\naddress: local\ngpus: 1\nslots: {{gpu_share: {SHARE:g}}}\n")
        request = SweepRequest(
            grid=write_grid(Path(folder) / "grid.yaml", trials, epochs, gpus=1),
            cluster=cluster,
            engine=engine,
            results=Path(folder) / "results",
            wandb_mode="disabled",
        )
        summary = run_sweep(request, SilentProgress())
        if summary.counts != {"completed": trials}:
            raise SystemExit(f"asked for {trials} completed trials and got {summary.counts}")
        rows = pd.read_parquet(summary.results / "trials.parquet")
    return OnGpu(
        gpu=str(rows["device"].iloc[0]),
        engine=engine,
        trials=trials,
        startup_seconds=summary.startup_seconds,
        run_seconds=summary.run_seconds,
        export_seconds=summary.export_seconds,
        test_accuracy=float(rows["test_accuracy"].mean()),
    )


def table(on_gpu: OnGpu) -> str:
    slots = f"ray, {round(1 / SHARE)} slots" if on_gpu.engine == "ray" else "inline, one trial at a time"
    figures = [on_gpu.wall_seconds, on_gpu.startup_seconds, on_gpu.run_seconds, on_gpu.export_seconds]
    return markdown(
        [f"{on_gpu.trials} trials on {on_gpu.gpu}", "wall s", "start-up s", "run s", "export s", "test accuracy"],
        [[slots, *(f"{figure:.1f}" for figure in figures), f"{on_gpu.test_accuracy:.4f}"]],
    )


def main() -> None:
    with_ray = find_spec("ray") is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--engine", choices=["ray", "inline"], default="ray" if with_ray else "inline")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit(
            "this benchmark needs a CUDA device, and torch sees none; benchmarks/fashion_grid.py needs none"
        )
    if options.engine == "ray" and not with_ray:
        parser.error("--engine ray: ray is not installed here")
    try:
        first(options.trials)
    except ValueError as error:
        parser.error(str(error))
    here = machine()
    on_gpu = measure(options.trials, options.epochs, options.engine)
    print(table(on_gpu))
    if options.json:
        options.json.write_text(json.dumps(here | asdict(on_gpu), indent=2) + "\n")


if __name__ == "__main__":
    main()
