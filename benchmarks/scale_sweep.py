"""One sweep of null trials as a process of its own, for `scale.py`: `python -m benchmarks.scale_sweep GRID RESULTS ENGINE`.

In a process of its own because its memory is what is measured. Prints the summary as JSON, with the seconds from the
start of the process to the first trial.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil

from benchmarks.null_trial import null_trial
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep


def main(grid: str, results: str, engine: str) -> None:
    before = time.time() - psutil.Process().create_time()
    request = SweepRequest(
        grid=Path(grid),
        engine="inline" if engine == "inline" else "ray",
        results=Path(results),
        wandb_mode="disabled",
        run_trial=null_trial,
    )
    summary = run_sweep(request, SilentProgress())
    printed = {**asdict(summary), "results": str(summary.results), "first_trial": before + summary.startup_seconds}
    print(json.dumps(printed))


if __name__ == "__main__":
    main(*sys.argv[1:])
