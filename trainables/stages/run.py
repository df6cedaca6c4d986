"""Whatever a slot is handed: a trial that trains, or one that makes something of a trained net."""

from trainables.context import Context
from trainables.process_state.precision import numerics
from trainables.records import TrialResult
from trainables.spec import TrialTask
from trainables.training.trial import run_trial


def run_task(trial_task: TrialTask, context: Context) -> TrialResult:
    """Execute it on this rank. Raises as `run_trial` and `run_variant` do."""
    if trial_task.parent is None:
        return run_trial(trial_task, context)
    from trainables.stages.variant import run_variant  # a sweep without deployments never needs it

    with numerics(trial_task.spec.protocol):
        return run_variant(trial_task, context)
