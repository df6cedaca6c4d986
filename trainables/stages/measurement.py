"""One measurement from its task to its result: the net of a trial that has ended, and what is found out about it."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from trainables.columns import Headlines
from trainables.context import Context
from trainables.data.files import atomic_write
from trainables.records import Breakdown, Costs, TrialResult
from trainables.spec import TrialTask, derived_seed
from trainables.stages.measured_net import MeasuredNet
from trainables.stages.parent import check_same, loaded_parent, without_test
from trainables.stages.variant import UNTRAINED
from trainables.task import task_of
from trainables.training.costs import PeakMemory, Stopwatch, count_bytes, count_flops, count_parameters
from trainables.training.energy import EnergyMeter
from trainables.training.evaluate import Metrics, predict
from trainables.training.prepare import prepared_for
from trainables.training.trial import result_of, split_design


@dataclass(frozen=True)
class Findings:
    """What a measurement has found out."""

    rows: Breakdown
    """Of the measurement's own `tables`."""
    headlines: Headlines
    """The figures that stand in the row of the trial too."""
    image: bytes | None = None
    """A PNG that shows some of it; None where nothing is shown."""


@runtime_checkable
class Measures(Protocol):
    """What every measurement is."""

    def measure(self, net: MeasuredNet) -> Findings:
        """Find it out. The net stays as it is. Raises CannotDeploy where that shows only now to be impossible."""


def run_measurement(trial_task: TrialTask, context: Context) -> TrialResult:
    """Load the net as its trial has kept it, see that it is the one that its row tells of, and measure it.

    Raises WeightsError where the weights are gone, damaged or not what the row was measured with, and whatever measuring
    raises.
    """
    spec, parent_trial, measurement = trial_task.spec, trial_task.parent, trial_task.measurement
    assert isinstance(measurement, Measures) and parent_trial is not None
    stopwatch, memory = Stopwatch(context.device), PeakMemory(context.device)
    energy = EnergyMeter(context.device)
    data = prepared_for(trial_task, context.device)
    task = task_of(data.info)
    parent = loaded_parent(spec, task, without_test(data), parent_trial.weights, parent_trial.trial_id, context)
    setup = stopwatch.lap()
    tested = predict(parent.module, data.batches, data.split.test, spec.protocol, context)
    check_same(parent_trial, getattr(task.measure(*tested), task.loss_score))
    parent.module.eval()
    seed = derived_seed(f"measurement {measurement.name}", spec.seed)
    found = measurement.measure(MeasuredNet(parent.module, task, data, spec.protocol, context, tested, seed))
    if found.image is not None and trial_task.image is not None and context.rank == 0:
        atomic_write(found.image, trial_task.image)
    module = parent.module
    costs = Costs(
        parameters=count_parameters(module),
        trainable_parameters=count_parameters(module, learning=True),
        model_bytes=count_bytes(module),
        flops=count_flops(module, data.info.shape),
        train_seconds=0.0,
        eval_seconds=stopwatch.lap(),
        setup_seconds=setup,
        samples_per_second=0.0,
        latency_ms_p50=None,
        latency_ms_p95=None,
        batch_latency_ms_p50=None,
        batch_latency_ms_p95=None,
        peak_memory_bytes=memory.read(),
        device_memory_bytes=memory.whole,
        energy_j=energy.joules(),
        energy_source=energy.source,
    )
    metrics = Metrics(breakdown=found.rows)
    result = result_of(UNTRAINED, metrics, costs, data, split_design(spec, data.info), 0, spec.seeds, context)
    return replace(result, headlines=found.headlines)
