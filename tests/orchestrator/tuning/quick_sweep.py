"""Sweeps that tune in no time: a trial is as good as its learning rate, and nothing is trained."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.plan.progress import SilentProgress, Snapshot
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary
from results_schema import TRIAL_TABLES
from tests.orchestrator import sample
from tests.trainables.epoch_rows import epoch_row
from trainables.context import Context
from trainables.records import Breakdown, TrialResult
from trainables.spec import TrialTask
from trainables.tasks.classification import ClassificationScores

Write = Callable[..., Path]
"""Writes the grid, with what a test wants otherwise, in the working folder."""

GRID = """\
name: tuned
axes:
  dataset: digits
  model: [{name: mlp, hidden: [4]}]
  optimizer: %s
seeds: %s
protocol: {epochs: %s}
tuning: {trials: 6, %s space: {optimizer.lr: [1e-4, 1, log]}}
wandb: {mode: disabled}
"""


def rate_of(trial_task: TrialTask) -> float:
    return float(trial_task.spec.optimizer.parameters()["lr"])


def quality(rate: float) -> float:
    """Best at a learning rate of 0.01."""
    return 1 - abs(math.log10(rate) + 2) / 4


def quick(trial_task: TrialTask, context: Context) -> TrialResult:
    """A trial that is as good as its learning rate; nothing is trained."""
    accuracy, epochs = quality(rate_of(trial_task)), trial_task.spec.protocol.epochs
    ran = 0
    for epoch in range(1, epochs + 1):
        ran, reached = epoch, accuracy * epoch / epochs
        if context.report(epoch_row(epoch, lr=rate_of(trial_task), train_accuracy=reached, accuracy=reached)):
            break
    scores = ClassificationScores(loss=1.0, accuracy=accuracy * ran / epochs)
    whole = sample.result(scores, epochs=ran, breakdown=Breakdown())
    return whole if trial_task.purpose == "evaluation" else replace(whole, train=None, test=None)


def run(grid: Path, run_trial: Any = quick, progress: Any = None, **options: Any) -> SweepSummary:
    request = SweepRequest(grid=grid, engine="inline", run_trial=run_trial, **options)
    return run_sweep(request, progress or SilentProgress())


class StopsAfter(SilentProgress):
    """Ends the sweep as a signal would, after so many trials."""

    def __init__(self, trials: int) -> None:
        self._trials = trials

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        if snapshot.counts["completed"] == self._trials:
            raise KeyboardInterrupt


def table() -> pd.DataFrame:
    """All trials, of either purpose."""
    there = [pd.read_parquet(f"results/tuned/{table.name}.parquet") for table in TRIAL_TABLES]
    return pd.concat([rows for rows in there if len(rows)], ignore_index=True)


def rates(rows: pd.DataFrame) -> list[float]:
    return [json.loads(values)["optimizer.lr"] for values in rows["tuned"]]
