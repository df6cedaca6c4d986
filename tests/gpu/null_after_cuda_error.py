"""A trial whose first attempt poisons its process; in a module of its own, because slots import it."""

import torch

from benchmarks.null_trial import null_trial
from trainables.context import Context
from trainables.records import TrialResult
from trainables.spec import TrialTask


def poison_then_null(trial_task: TrialTask, context: Context) -> TrialResult:
    """Seed 0's first attempt reads outside of a tensor, which trips an assertion on the device: a real CUDA error."""
    if trial_task.spec.seed == 0 and trial_task.attempt == 1:
        outside = torch.tensor([1 << 20], device=context.device)
        torch.zeros(4, device=context.device)[outside].sum().item()
    return null_trial(trial_task, context)
