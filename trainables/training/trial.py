"""One trial from its task to its result: data, split, statistics, build, fit, measure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from trainables.context import Context
from trainables.dataset import DataInfo, ImageArray
from trainables.errors import CheckpointError
from trainables.interfaces import Model, Regularizer
from trainables.process_state.precision import numerics
from trainables.records import Costs, Predictions, Seeds, SplitDesign, SplitSizes, TrialResult
from trainables.spec import TrialSpec, TrialTask
from trainables.task import Answers, Task, task_of
from trainables.training.build import build_learner
from trainables.training.checkpoints import CheckpointManager
from trainables.training.costs import PeakMemory, Stopwatch, count_bytes, count_parameters, measure_latency, model_sizes
from trainables.training.energy import EnergyMeter
from trainables.training.evaluate import UNMEASURED, Metrics, measure, measure_validation
from trainables.training.fit import FitParts, TrainingResult, fit
from trainables.training.generation import add_generated
from trainables.training.image import save_image
from trainables.training.learner import Learner, LearnerParts, SupervisedLearner
from trainables.training.predictions import SplitExamples, pack_answers, refuse_unfit
from trainables.training.prepare import CachesFeatures, Prepared, prepared_for
from trainables.training.probes import activation_bytes, gradient_reach
from trainables.training.range_test import RangeFound, RangeTest
from trainables.training.weights import save_weights
from trainables.training.weights_origin import WeightsOrigin, without_backbone


def run_trial(trial_task: TrialTask, context: Context) -> TrialResult:
    """Execute one trial on this rank; the measures are the same on every rank.

    Raises DataMissing and BrokenImage, TrialTimedOut and TrialCancelled, and whatever a component raises.
    """
    with numerics(trial_task.spec.protocol):
        try:
            return _run(trial_task, context)
        except CheckpointError as unfit:  # the same on every rank: the learner's code has changed since
            print(f"starts from the beginning: its checkpoint {unfit}")
            return _run(trial_task.resumed_at(0), context)


def _run(trial_task: TrialTask, context: Context) -> TrialResult:
    run = TrialRun(trial_task, context)
    return run.result(fit(run.parts))


@dataclass(slots=True)
class _Times:
    """Seconds apart from those of the epochs."""

    setup: float = 0.0
    features: float | None = None
    generation: float | None = None
    measuring: float = 0.0


class TrialRun:
    """A trial under way: what its training works with, and what it comes to after that."""

    def __init__(
        self,
        trial_task: TrialTask,
        context: Context,
        supervised: Callable[[LearnerParts], Learner] = SupervisedLearner,
    ) -> None:
        """supervised: the learner of a model that has none of its own. Raises as `run_trial` does."""
        spec, seeds = trial_task.spec, trial_task.spec.seeds
        self._trial_task, self._context, self._times = trial_task, context, _Times()
        self._stopwatch, self._memory = Stopwatch(context.device), PeakMemory(context.device)
        self._energy = EnergyMeter(context.device)
        self._data = data = prepared_for(trial_task, context.device)
        self._task = task = task_of(data.info)
        self._times.setup = self._stopwatch.lap()
        self._extended = extended = add_generated(data, spec.regularizers, seeds.augment, context)
        generation = self._stopwatch.lap()
        self._times.generation = generation if extended.count else None
        learner = build_learner(spec, data, extended.data, task, seeds, context, supervised)
        self._times.setup += self._stopwatch.lap()
        train_data = extended.data
        if not extended.count:
            if spec.model.caches_features:
                assert isinstance(spec.model, CachesFeatures)
                train_data = spec.model.cache_features(learner.module, data, spec.regularizers, spec.protocol, context)
            self._times.features = self._stopwatch.lap() if train_data is not data else None
            self._data = train_data
        if spec.protocol.schedule.is_range_test:
            learner = RangeTest(learner, context)
        self._times.setup += self._stopwatch.lap()
        checkpoints = None
        if trial_task.checkpoints is not None:
            checkpoints = CheckpointManager(trial_task, trial_task.checkpoints, task.scores, context)
        self._reach_at_first = gradient_reach(
            spec.model, learner.module, task, train_data, spec.protocol, context.device
        )
        self._times.setup += self._stopwatch.lap()
        self.parts = FitParts(learner, task, train_data, spec.regularizers, spec.protocol, seeds, context, checkpoints)

    def result(self, training: TrainingResult) -> TrialResult:
        """Measure, keep what is to be kept, and say what it came to. training: its end, with the weights in the module."""
        self._stopwatch.lap()
        metrics = self._measured(training)
        self._times.measuring = self._stopwatch.lap()
        parts, spec, data, context = self.parts, self._trial_task.spec, self._data, self._context
        at_last = None
        if not training.diverged and not metrics.diverged:
            at_last = gradient_reach(
                spec.model, parts.learner.module, self._task, parts.data, spec.protocol, context.device
            )
        if context.rank == 0 and training.best_epoch is not None:
            _keep(self._trial_task, parts.learner, data, self._extended.image)
        meters = self._times, self._memory, self._energy
        costs = _costs(spec, data.info, self._task, parts.learner, training, *meters, context)
        generated = self._extended.count
        result = result_of(
            training, metrics, costs, data, split_design(spec, data.info), generated, parts.seeds, context
        )
        result = replace(result, gradient_reach_first=self._reach_at_first, gradient_reach_last=at_last)
        if metrics.answers is not None:
            known = self._trial_task.split_is_known
            result = replace(result, predictions=predictions_of(metrics.answers, data, known))
        return _with_range(result, parts.learner.found()) if isinstance(parts.learner, RangeTest) else result

    def _measured(self, training: TrainingResult) -> Metrics:
        if training.diverged or training.val is None:  # a range test may diverge before any epoch is selected
            return UNMEASURED
        if self._trial_task.purpose == "tuning":
            return measure_validation(training.val, self._task)
        parts = self.parts
        module, protocol, seeds = parts.learner.module, parts.protocol, parts.seeds
        return measure(module, training.val, self._task, self._data, protocol, seeds, self._context)


def _keep(trial_task: TrialTask, learner: Learner, data: Prepared, made: ImageArray | None) -> None:
    """Weights and image: the learner's own, or else one of the examples that were made for it."""
    if trial_task.weights is not None:
        model, state = trial_task.spec.model, learner.module.state_dict()
        metadata = {"trial_id": trial_task.trial_id, **(origin := _origin(model, data))}
        own = model.kept_state(learner.module) if origin else state
        if len(own) < len(state):
            metadata |= without_backbone(model)
        save_weights(own, trial_task.weights, metadata)
    if trial_task.image is None:
        return
    image = learner.image()
    if image is None:
        image = made
    if image is not None:
        save_image(image, trial_task.image)


def predictions_of(answers: Answers, data: Prepared, known: bool) -> Predictions:
    """What is kept of each test example. known: whether the examples of this split need not be handed out again."""
    tested = data.tested
    assert tested is not None, "it is prepared with its data"
    refuse_unfit(answers, len(tested.indices))
    split = None if known else SplitExamples(answers.targets, tested.groups, tested.sources()).packed()
    return Predictions(tested.split_id, len(answers.predicted), pack_answers(answers), split)


def _origin(model: Model, data: Prepared) -> dict[str, str]:
    """Return what the kept weights say of themselves, so that `pretrained:safetensors` can go on from them."""
    match data.info.shape:
        case (channels, height, width):
            mean, std = data.facts.mean or (0.0,), data.facts.std or (1.0,)
            return WeightsOrigin(model=model, shape=(channels, height, width), mean=mean, std=std).metadata()
        case _:
            return {}  # clips


def _costs(
    spec: TrialSpec,
    data: DataInfo,
    task: Task,
    learner: Learner,
    training: TrainingResult,
    times: _Times,
    memory: PeakMemory,
    energy: EnergyMeter,
    context: Context,
) -> Costs:
    peak = memory.read()  # before the latencies, whose batches are not the trial's own
    train_seconds = sum(row.seconds for row in training.history)
    # this worker's part of a batch: a whole one may be more than its device holds
    part = context.shard(min(spec.protocol.batch_size, training.examples))
    batch_size = max(1, part.stop - part.start)
    single = measure_latency(learner.module, data.shape, 1, spec.protocol, context.device)
    batch = measure_latency(learner.module, data.shape, batch_size, spec.protocol, context.device)
    return Costs(
        parameters=count_parameters(learner.module),
        trainable_parameters=count_parameters(learner.module, learning=True),
        model_bytes=count_bytes(learner.module),
        flops=_flops(spec.model, spec.regularizers, data, task.outputs(data)),
        train_seconds=train_seconds,
        eval_seconds=sum(row.eval_seconds for row in training.history) + times.measuring,
        setup_seconds=times.setup,
        feature_seconds=times.features,
        generation_seconds=times.generation,
        samples_per_second=training.examples / train_seconds,
        latency_ms_p50=single.p50,
        latency_ms_p95=single.p95,
        batch_latency_ms_p50=batch.p50,
        batch_latency_ms_p95=batch.p95,
        peak_memory_bytes=peak,
        activation_bytes=None
        if spec.model.has_own_learner
        else _activation_bytes(learner, data, spec, batch_size, context),
        device_memory_bytes=memory.whole,
        energy_j=energy.joules(),
        energy_source=energy.source,
    )


def _activation_bytes(learner: Learner, data: DataInfo, spec: TrialSpec, batch_size: int, context: Context) -> int:
    """Of as many examples as go through the net at once."""
    part = math.ceil(batch_size / spec.protocol.accumulate)
    return activation_bytes(learner.module, data.shape, part, spec.protocol, context.device)


@lru_cache(maxsize=256)
def _flops(model: Model, regularizers: tuple[Regularizer, ...], data: DataInfo, outputs: int) -> int:
    """Counted once for all trials of a model: the seed and the optimizer do not change it."""
    return model_sizes(model, regularizers, data, outputs)[1]


def result_of(
    training: TrainingResult,
    metrics: Metrics,
    costs: Costs,
    data: Prepared,
    design: SplitDesign,
    generated: int,
    seeds: Seeds,
    context: Context,
) -> TrialResult:
    """What a trial comes to. generated: examples that were made of the training split."""
    diverged = training.diverged or metrics.diverged
    split = data.split
    on_gpu = context.device.type == "cuda"
    return TrialResult(
        status="diverged" if diverged else "completed",
        reason=diverged,
        epochs=len(training.history),
        steps=training.steps,
        best_epoch=training.best_epoch,
        train=metrics.train,
        val=metrics.val,
        test=metrics.test,
        breakdown=metrics.breakdown,
        costs=costs,
        sizes=SplitSizes(
            train_size=len(split.train),
            val_size=len(split.val),
            test_size=len(split.test),
            dropped_duplicates=split.dropped,
            split_design=design,
            unlabelled_size=len(data.unlabelled),
            generated_size=generated,
        ),
        seeds=seeds,
        device=torch.cuda.get_device_name(context.device) if on_gpu else context.device.type,
        world_size=context.world_size,
        threads=torch.get_num_threads(),
        positive_class=data.info.positive,
        cue=metrics.cue,
        stuck=metrics.stuck,
    )


def split_design(spec: TrialSpec, data: DataInfo) -> SplitDesign:
    """How the test split is come by: folds are of all examples, those of an official test split among them."""
    if spec.dataset.folds is not None:
        return "fold"
    if data.official_test:
        return "official"
    return "redrawn" if spec.protocol.splits.test_seed is None else "fixed"


def _with_range(result: TrialResult, found: RangeFound) -> TrialResult:
    """A range test is complete when it has diverged: that is what it looked for."""
    curves = (*result.breakdown.curves, *found.curve)
    return replace(
        result,
        status="completed",
        reason=None,
        stuck=None,
        breakdown=replace(result.breakdown, curves=curves),
        lr_lowest_loss=found.lr_lowest_loss,
        lr_diverged=found.lr_diverged,
    )
