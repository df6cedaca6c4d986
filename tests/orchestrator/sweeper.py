"""Runs a sweep whose trials misbehave as their seeds say: `python sweeper.py GRID ENGINE [--retry]`, in `results/<name>`.

A process of its own, because it takes signals and starts Ray. Prints the summary as JSON and ends with the exit code of
`orch sweep`.
"""

import dataclasses
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import click

from orchestrator.cli import exit_code
from orchestrator.cli.terminal.display import display
from orchestrator.errors import OrchError
from orchestrator.sweep.run import SweepRequest, run_sweep
from tests.orchestrator import sample
from tests.trainables.epoch_rows import epoch_row
from trainables.context import Context
from trainables.records import Breakdown, TrialResult
from trainables.spec import TrialTask
from trainables.tasks.classification import ClassificationScores
from trainables.training.trial import run_trial

DIES, DIES_ONCE, RAISES, TIMES_OUT, LEAVES, RUNS_OUT_OF_MEMORY, POISONS_ONCE, OUTLIVES_ITS_LIMIT = range(1, 9)
FAILS_ALONE, DIES_ALONE, FAILS_IN_A_STEP = 20, 21, 22
SLOW = 100
"""Seeds from here on take long."""
SLOW_SECONDS = 60.0


def misbehave(trial_task: TrialTask, context: Context) -> TrialResult:
    """A trial of one epoch that ends as its seed says; a seed of 0 is a good trial."""
    seed, first = trial_task.spec.seed, trial_task.attempt == 1
    print(f"seed {seed} speaks")
    context.report(epoch_row(train_accuracy=0.5, accuracy=0.5))
    match seed:
        case 1:
            os._exit(1)
        case 2 if first:
            os._exit(1)
        case 3 if not Path("mended").exists():
            raise ValueError("seed 3 is not liked")
        case 4:
            wait(context, 60)
        case 5:
            sys.exit("seed 5 leaves")
        case 6:
            raise MemoryError("seed 6 wants more")
        case 7 if first:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        case 20 if context.rank == 1 and first:
            raise ValueError("the second rank fails alone")
        case 21 if context.rank == 1 and first:
            os._exit(1)
        case 22 if context.rank == 1:
            return run_trial(trial_task, cast(Context, FailsInAStep(context)))
        case 22:
            return run_trial(trial_task, context)
        case _ if seed >= SLOW:
            wait(context, SLOW_SECONDS, unless=Path("hurry"))
    if context.world_size > 1:
        import torch

        context.all_reduce(torch.ones(1))
    return good_result(context)


class FailsInAStep:
    """A context whose rank fails in the middle of an epoch, while the others average their gradients with it."""

    def __init__(self, context: Context) -> None:
        self._context, self._steps = context, 0

    def check(self) -> None:
        self._steps += 1
        if self._steps == 3:
            raise ValueError("the second rank fails in a step")

    def __getattr__(self, name: str) -> object:
        return getattr(self._context, name)


def wait(context: Context, seconds: float, unless: Path = Path("never")) -> None:
    """Until then, or until the file `unless` is there."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not unless.exists():
        context.check()
        time.sleep(0.02)


def good_result(context: Context) -> TrialResult:
    scores = ClassificationScores(loss=0.5, accuracy=0.5)
    whole = sample.result(scores, epochs=1, breakdown=Breakdown())
    return replace(whole, world_size=context.world_size)


def main(grid: str, engine: str, *options: str) -> int:
    request = SweepRequest(
        grid=Path(grid),
        engine="inline" if engine == "inline" else "ray",
        retry="--retry" in options,
        run_trial=misbehave,
    )
    try:
        with display(quiet=False, verbose=True) as progress:
            summary = run_sweep(request, progress)
    except OrchError as error:
        click.echo(str(error), err=True)
        return exit_code(error)
    print(json.dumps({**dataclasses.asdict(summary), "results": str(summary.results)}))
    return 0 if summary.succeeded else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
