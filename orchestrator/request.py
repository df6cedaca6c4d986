"""What a user asks of a sweep."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.engine import RunTrial
from trainables.context import Context
from trainables.order import TrialOrder
from trainables.records import TrialResult

EngineName = Literal["ray", "inline"]


def run_trial(order: TrialOrder, context: Context) -> TrialResult:
    """`trainables.trial.run_trial`. It needs torch, which where a trial runs is there, and in Ray's driver is not."""
    from trainables.trial import run_trial as run

    return run(order, context)


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What a user asks for."""

    grid: Path
    cluster: Path | None = None
    engine: EngineName = "ray"
    results: Path | None = None
    data: Path | None = None
    max_trials: int = 100_000
    seeds: int | None = None
    add_seeds: bool = False
    """Whether open claims get as many more seeds as would decide them."""
    retry: bool = False
    wandb_mode: str | None = None
    run_trial: RunTrial = run_trial
