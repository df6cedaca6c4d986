"""Whatever a slot is handed: a trial that trains, or what is made of a trained net or found out about it."""

from trainables.context import Context
from trainables.process_state.precision import numerics
from trainables.records import TrialResult
from trainables.spec import TrialTask
from trainables.training.trial import run_trial


def run_task(trial_task: TrialTask, context: Context) -> TrialResult:
    """Execute it on this rank. Raises as `run_trial`, `run_variant` and `run_measurement` do."""
    if trial_task.fused:
        from trainables.training.fused.trial import run_alone

        return run_alone(trial_task, context)
    if trial_task.parent is None:
        return run_trial(trial_task, context)
    # a sweep without deployments and measurements never needs these
    from trainables.stages.measurement import run_measurement
    from trainables.stages.variant import run_variant

    with numerics(trial_task.spec.protocol):
        return (run_variant if trial_task.measurement is None else run_measurement)(trial_task, context)
