"""Trials whose tensors carry the tag of a GPU, one at a time or in a stack."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from tests.device_tag.cuda import device_tags
from tests.device_tag.tags import CUDA
from tests.device_tag.waits import Site, Steps, Wait, WatchedContext
from trainables.records import EpochRow, TrialResult
from trainables.spec import TrialTask
from trainables.stages.run import run_task
from trainables.training.fused.trial import run_fused


@dataclass(frozen=True)
class Ran:
    """What came of it, and what a GPU would have had against it."""

    ended: list[TrialResult | BaseException]
    rows: list[list[EpochRow]]
    mismatches: list[str]
    steps: Steps

    @property
    def losses(self) -> list[list[float]]:
        return [[row.train_loss for row in rows] for rows in self.rows]

    @property
    def completed(self) -> bool:
        return all(isinstance(each, TrialResult) and each.status == "completed" for each in self.ended)

    @property
    def waits(self) -> list[Wait]:
        return self.steps.in_steps

    @property
    def sites(self) -> set[Site]:
        """Where steps waited."""
        return {wait.site for wait in self.waits}


def tagged(trial_task: TrialTask, stop_after: int | None = None) -> Ran:
    """Run a trial, or what is done with its net, on the device that is a tag. What it raises is in the answer.

    stop_after: the epoch behind which it is cut off.
    """
    return _run([trial_task], stop_after, in_a_stack=False)


def tagged_stack(trial_tasks: Sequence[TrialTask], stop_after: int | None = None) -> Ran:
    """Run several trials as a stack there."""
    return _run(trial_tasks, stop_after, in_a_stack=True)


def _run(trial_tasks: Sequence[TrialTask], stop_after: int | None, *, in_a_stack: bool) -> Ran:
    torch.set_num_threads(1)
    steps = Steps()
    ended: list[TrialResult | BaseException] = [RuntimeError("it has not ended") for _ in trial_tasks]
    contexts = [WatchedContext(steps, CUDA, stop_after) for _ in trial_tasks]
    with device_tags(steps) as mode:
        if in_a_stack:
            run_fused(trial_tasks, contexts, lambda _: nullcontext(), ended.__setitem__)
        else:
            try:
                ended[0] = run_task(trial_tasks[0], contexts[0])
            except Exception as raised:  # noqa: BLE001 - it is looked at in what is given back
                ended[0] = raised
    return Ran(ended, [context.rows for context in contexts], mode.mismatches, steps)
