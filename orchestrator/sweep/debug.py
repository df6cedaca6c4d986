"""One trial of a results directory once more, here and now: for a debugger. Nothing of it is recorded."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.errors import UserError
from orchestrator.results.kept_trial import KeptTrial
from orchestrator.sweep.goal import Goal
from trainables.columns import ClassMeasure, Scores
from trainables.dataset import DataLocation
from trainables.errors import DataMissing
from trainables.records import EpochRow, TrialResult
from trainables.spec import TrialTask
from trainables.task import tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


def device_for(trial: KeptTrial, wanted: str | None) -> "torch.device":
    """The device that is asked for, else of the kind that the trial ran on. Raises UserError where it is not here."""
    import torch

    if wanted is None:
        return torch.device("cuda" if trial.device not in (None, "cpu") and torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as refused:
        raise UserError(f"--device {wanted}: {str(refused).splitlines()[0]}") from None
    return device


def run_again(
    trial: KeptTrial, location: DataLocation, device: "torch.device", report: Callable[[EpochRow], None]
) -> TrialResult:
    """Run it in this process as the inline engine does, without a time limit. Whatever the trial raises is raised.

    report: is told of each epoch. Raises UserError where its data is not on this machine.
    """
    from trainables.context import SingleContext
    from trainables.stages.run import run_task
    from trainables.training.warm_up import warm_up

    def reported(row: EpochRow) -> bool:
        report(row)
        return False

    task = TrialTask(
        *(trial.trial_id, 1, trial.spec, location),
        weights=None,
        purpose="tuning" if trial.tunes else "evaluation",
        parent=trial.parent,
        measurement=trial.measurement,
    )
    warm_up()
    with _threads(trial.threads or 1):
        try:
            return run_task(task, SingleContext(device, reported))
        except DataMissing as missing:
            raise UserError(f"{missing} (--data names the folder)") from missing


def measured(trial: KeptTrial, scores: Scores) -> tuple[str, float | None]:
    """The validation measure that the trial is selected by, a column of the tables, and its value in these scores."""
    task = next(task for task in tasks() if isinstance(scores, task.scores))
    of_class = ClassMeasure.read(trial.spec.protocol.select or "")
    # who selects on a class has it as the class of interest, or would not have been planned
    goal = Goal.of(trial.spec.protocol, task() if of_class is None else task(positive=of_class.of))
    return goal.measure, goal.of_scores(scores)


@contextmanager
def _threads(count: int) -> "Iterator[None]":
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
