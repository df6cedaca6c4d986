"""What a 2-worker trial costs beyond its training, in a distributed slot that is already up.

    python benchmarks/warm_worker_group.py [--trials 21] [--json]

Two sweeps of 2-worker trials of 3 epochs on `digits`, each in one worker group: null trials, which only report and agree,
and real ones. Counted from the end of the slot's first trial to the end of its last; the training and evaluation time that
a real trial's own row gives is taken off, so what is left is overhead.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from benchmarks.machine import machine
from benchmarks.null_grid import write_null_grid
from benchmarks.null_trial import null_trial
from benchmarks.table import markdown
from orchestrator.engine import RunTrial
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep
from trainables.training.trial import run_trial

EPOCHS = 3


@dataclass(frozen=True)
class WorkerGroup:
    """The trials of one worker group after its first."""

    trial: str
    trials: int
    startup_seconds: float
    """Until the worker group took its first trial."""
    seconds_per_trial: float
    overhead_seconds_per_trial: float


def measure(name: str, trial: RunTrial, trials: int) -> WorkerGroup:
    """Raises SystemExit when a trial is missing, or more than one worker group was needed."""
    with tempfile.TemporaryDirectory() as folder:
        grid = write_null_grid(Path(folder) / "worker group.yaml", trials, workers=2, epochs=EPOCHS)
        request = SweepRequest(grid=grid, results=Path(folder) / "results", wandb_mode="disabled", run_trial=trial)
        summary = run_sweep(request, SilentProgress())
        rows = pd.read_parquet(summary.results / "trials.parquet").sort_values("finished_at")
        worker_groups = pd.read_parquet(summary.results / "attempts.parquet")["slot"].unique()
    if summary.counts != {"completed": trials} or len(worker_groups) != 1:
        raise SystemExit(
            f"asked for {trials} completed trials in one worker group and got {summary.counts} in {list(worker_groups)}"
        )
    passed = (rows["finished_at"].iloc[-1] - rows["finished_at"].iloc[0]).total_seconds()
    later = rows.iloc[1:]
    own = float((later["train_seconds"] + later["eval_seconds"]).sum())
    count = len(later)
    return WorkerGroup(name, count, summary.startup_seconds, passed / count, (passed - own) / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=21)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    if options.trials < 2:
        parser.error("--trials: at least 2, since the first is not counted")
    here = machine()
    worker_groups = [measure("null", null_trial, options.trials), measure("real", run_trial, options.trials)]
    if options.json:
        print(json.dumps(here | {"worker groups": [asdict(worker_group) for worker_group in worker_groups]}))
        return
    rows = [
        [
            f"{worker_group.trial}, {EPOCHS} epochs",
            worker_group.trials,
            f"{worker_group.startup_seconds:.1f}",
            f"{worker_group.seconds_per_trial:.3f}",
            f"{worker_group.overhead_seconds_per_trial:.3f}",
        ]
        for worker_group in worker_groups
    ]
    print(markdown(["2 workers", "trials", "start-up s", "s a trial", "overhead a trial s"], rows))


if __name__ == "__main__":
    main()
