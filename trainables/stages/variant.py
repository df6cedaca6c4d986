"""One variant from its task to its result: its parent's net, what is made of it, and what both give on the test split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.context import Context
from trainables.data.batches import Batches
from trainables.data.files import atomic_write
from trainables.records import Costs, TrialResult, VariantScores
from trainables.spec import TrialTask
from trainables.stages.artifact import Artifact
from trainables.stages.parent import ParentNet, check_same, loaded_parent, without_test
from trainables.stages.speed import Speed, compare
from trainables.task import Task, task_of
from trainables.training.costs import PeakMemory, Stopwatch, count_flops, count_parameters
from trainables.training.energy import EnergyMeter
from trainables.training.evaluate import Metrics, Outputs, measure, predict
from trainables.training.fit import TrainingResult
from trainables.training.prepare import Prepared, prepared_for
from trainables.training.trial import predictions_of, result_of, split_design

_TIMED: Final = 64
"""Test examples that passes are timed with."""
_FEWEST_BATCHES: Final = 4
"""Batches of them, however large these are; where the test split has so many."""
UNTRAINED: Final = TrainingResult(history=(), best_epoch=None, diverged=None, examples=0, steps=0, val=None)
"""Of a variant that was not trained any further."""


@dataclass(frozen=True)
class Variant:
    """A net that was made of another."""

    module: nn.Module
    """(batch, *shape) to outputs; whatever runs it."""
    artifact: Artifact
    """What is shipped."""
    runtime: str = "torch"
    training: TrainingResult = UNTRAINED
    """How going on training went."""
    takes_stored: bool = False
    """Whether it takes inputs as they are stored, with the preprocessing inside; else standardised ones, as its parent."""
    counted: nn.Module | None = None
    """A net of floating-point layers that does as many operations; None where that is the parent's."""


@runtime_checkable
class MakesVariant(Protocol):
    """What every deployment is."""

    def make(self, parent: ParentNet) -> Variant:
        """Make another net, for the same inputs and outputs, and what is shipped of it. The parent's stays as it is.

        Raises CannotDeploy where that shows only now, and whatever else: the row is then `failed`.
        """


@runtime_checkable
class RestoresVariant(Protocol):
    """A deployment whose net can be had again from what it has shipped as safetensors."""

    def restored(self, parent: ParentNet, shipped: Mapping[str, Tensor]) -> nn.Module:
        """The net that `make` has given, without any data. parent: has none of its examples. shipped: tensors by name.

        Raises WeightsError where they are of another net.
        """


def run_variant(trial_task: TrialTask, context: Context) -> TrialResult:
    """Make the variant and measure it beside its parent.

    Raises CannotDeploy, WeightsError where the parent's weights are gone, damaged or not what its row was measured with,
    and whatever making the variant raises.
    """
    spec, parent_trial = trial_task.spec, trial_task.parent
    assert isinstance(spec.deployment, MakesVariant) and parent_trial is not None
    stopwatch, memory = Stopwatch(context.device), PeakMemory(context.device)
    energy = EnergyMeter(context.device)
    data = prepared_for(trial_task, context.device)
    task = task_of(data.info)
    of_parent = parent_trial.weights, parent_trial.trial_id
    parent = loaded_parent(spec, task, without_test(data), *of_parent, context)
    setup = stopwatch.lap()
    before = predict(parent.module, data.batches, data.split.test, spec.protocol, context)
    check_same(parent_trial, getattr(task.measure(*before), task.loss_score))
    parent.module.eval()
    evaluating = stopwatch.lap()
    variant = spec.deployment.make(parent)
    making = stopwatch.lap()
    metrics = _measured(variant, data, task, trial_task, context)
    evaluating += stopwatch.lap()
    speeds = None if metrics.tested is None else _speeds(parent, variant, data, context)
    costs = _costs(variant, parent, setup + making, evaluating, speeds, memory, energy)
    design = split_design(spec, data.info)
    result = result_of(variant.training, metrics, costs, data, design, 0, spec.seeds, context)
    if metrics.answers is not None:
        result = replace(result, predictions=predictions_of(metrics.answers, data, trial_task.split_is_known))
    if metrics.tested is None or speeds is None:
        return result
    if trial_task.weights is not None:
        atomic_write(variant.artifact.content, trial_task.weights.with_suffix(variant.artifact.suffix))
    return replace(result, variant=_scores(variant, parent, before, metrics.tested, task, speeds))


def _measured(variant: Variant, data: Prepared, task: Task, trial_task: TrialTask, context: Context) -> Metrics:
    spec = trial_task.spec
    if variant.takes_stored:
        data = replace(data, batches=data.batches.as_stored())
    val = predict(variant.module, data.batches, data.split.val, spec.protocol, context)
    return measure(variant.module, val, task, data, spec.protocol, spec.seeds, context)


def _speeds(parent: ParentNet, variant: Variant, data: Prepared, context: Context) -> tuple[Speed, Speed]:
    """With one example, and with batches of the protocol's size, of the test split."""
    protocol, device = parent.spec.protocol, context.device
    theirs = data.batches.as_stored() if variant.takes_stored else data.batches
    found = []
    for size in (1, protocol.batch_size):
        chosen = _timed(data, size)
        before, own = (_batches(batches, chosen, size, context) for batches in (data.batches, theirs))
        pairs = [*zip(before, own, strict=True)]
        found.append(compare(parent.module, variant.module, pairs, protocol, device))
    return found[0], found[1]


def _timed(data: Prepared, size: int) -> NDArray[np.int64]:
    """Examples of full batches of the test split, some again where there are too few for one batch."""
    test = data.split.test
    return np.resize(test, max(1, min(max(_FEWEST_BATCHES, _TIMED // size), len(test) // size)) * size)


def _batches(batches: Batches, chosen: NDArray[np.int64], size: int, context: Context) -> Iterator[Tensor]:
    return (inputs for inputs, _ in batches.evaluation(chosen, size, context.shard))


def _scores(
    variant: Variant, parent: ParentNet, before: Outputs, after: Outputs, task: Task, speeds: tuple[Speed, Speed]
) -> VariantScores:
    single, batch = speeds
    shipped, whole = variant.artifact, parent.artifact
    return VariantScores(
        runtime=variant.runtime,
        artifact_bytes=len(shipped.content),
        packed_bytes=shipped.packed_bytes,
        size_ratio=len(shipped.content) / len(whole.content),
        packed_ratio=shipped.packed_bytes / whole.packed_bytes,
        nonzero_share=shipped.nonzero_share,
        agreement=_agreement(before, after, task, classes=bool(parent.data.info.classes)),
        max_abs_difference=float((after.outputs - before.outputs).abs().max()),
        speedup=single.speedup,
        speedup_low=single.low,
        speedup_high=single.high,
        batch_speedup=batch.speedup,
        batch_speedup_low=batch.low,
        batch_speedup_high=batch.high,
        latency_ms_p99=single.p99,
        batch_latency_ms_p99=batch.p99,
    )


def _agreement(before: Outputs, after: Outputs, task: Task, *, classes: bool) -> float | None:
    said, was = task.answers(*after), task.answers(*before)
    if not classes or said is None or was is None:
        return None
    return float((said.predicted == was.predicted).mean())


def _costs(
    variant: Variant,
    parent: ParentNet,
    making: float,
    evaluating: float,
    speeds: tuple[Speed, Speed] | None,
    memory: PeakMemory,
    energy: EnergyMeter,
) -> Costs:
    """making: seconds until the variant was there, going on training among them."""
    training = variant.training
    trained = sum(row.seconds for row in training.history)
    validated = sum(row.eval_seconds for row in training.history)
    counted = parent.module if variant.counted is None else variant.counted
    single, batch = speeds or (None, None)
    return Costs(
        parameters=count_parameters(counted),
        trainable_parameters=count_parameters(counted, learning=True),
        model_bytes=variant.artifact.tensor_bytes,
        flops=count_flops(counted, parent.data.info.shape),
        train_seconds=trained,
        eval_seconds=evaluating + validated,
        setup_seconds=max(0.0, making - trained - validated),
        samples_per_second=training.examples / trained if trained else 0.0,
        latency_ms_p50=single.p50 if single else None,
        latency_ms_p95=single.p95 if single else None,
        batch_latency_ms_p50=batch.p50 if batch else None,
        batch_latency_ms_p95=batch.p95 if batch else None,
        peak_memory_bytes=memory.read(),
        device_memory_bytes=memory.whole,
        energy_j=energy.joules(),
        energy_source=energy.source,
    )
