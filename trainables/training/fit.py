"""The training loop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from trainables.context import Context, Signal
from trainables.data.batches import steps as steps_of
from trainables.errors import TrialCancelled, TrialStopped, TrialTimedOut
from trainables.interfaces import Regularizer
from trainables.protocol import Moment, Protocol, is_best, selected_column
from trainables.records import EpochRow, Seeds
from trainables.task import Task
from trainables.training.checkpoints import CheckpointManager, TrainingProgress
from trainables.training.costs import Stopwatch
from trainables.training.evaluate import Outputs, predict
from trainables.training.learner import Learner
from trainables.training.prepare import Prepared
from trainables.training.random import RandomStreams

_GRADIENTS_MEASURED: Final = 8
"""One step of so many has its gradients measured, the first of an epoch among them."""
_EXPLODING: Final = 10
"""Times the median: the upper end of what Pascanu et al. 2013 (section 3.2) have found to be good bounds for clipping."""
_ENDS: Final[dict[Signal, tuple[type[TrialStopped], str]]] = {
    Signal.TIMED_OUT: (TrialTimedOut, "another worker of this trial has reached the time limit"),
    Signal.CANCELLED: (TrialCancelled, "another worker of this trial was told to stop"),
}


@dataclass(frozen=True)
class FitParts:
    """What the loop works with."""

    learner: Learner
    task: Task
    data: Prepared
    regularizers: Sequence[Regularizer]
    protocol: Protocol
    seeds: Seeds
    context: Context
    checkpoints: CheckpointManager | None = None
    """Keeps the state between epochs, and knows whether there is one to go on from."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How training went. The learner's module holds the weights of the selected epoch, if there is one."""

    history: tuple[EpochRow, ...]
    best_epoch: int | None
    diverged: str | None
    """Why it diverged, where it did and was not meant to."""
    examples: int
    """Examples trained on, over all epochs and workers."""
    steps: int
    """Optimizer steps."""
    val: Outputs | None
    """What the selected weights gave for the validation split; None where no epoch was selected."""


@dataclass(frozen=True, slots=True)
class _EpochResult:
    """One epoch's training: means over the examples of all ranks."""

    loss: float
    accuracy: float | None
    gradient_norm: float | None
    exploding_steps: float | None
    examples: int


def fit(parts: FitParts) -> TrainingResult:
    """Train epoch by epoch, select on validation, and leave the selected weights in the module.

    Goes on from a checkpoint where there is one, and ends as if it had never stopped. Raises TrialTimedOut and
    TrialCancelled, CheckpointError where the learner does not fit it, and whatever a component raises. A rank that raises
    in the middle of an epoch leaves the others waiting for it: whoever started them has to end them (ADR 2).
    """
    learner, context = parts.learner, parts.context
    module = learner.module.train()
    streams = RandomStreams(parts.seeds, context)
    progress = _begun(parts, streams)
    history = progress.history
    while progress.signal is Signal.GO_ON and len(history) < parts.protocol.epochs:
        examples, val, signal = _epoch(parts, streams, history)
        progress.examples += examples
        progress.signal = signal = context.agree_max(signal)
        if signal in _ENDS:
            error, message = _ENDS[signal]
            raise error(message)
        if signal is not Signal.DIVERGED and is_best(history, parts.protocol, parts.task):
            progress.best_epoch, progress.best_val, progress.best = len(history), val, learner.weights()
        if parts.checkpoints is not None:
            over = signal is not Signal.GO_ON or len(history) == parts.protocol.epochs
            parts.checkpoints.after_epoch(learner, streams, progress, over=over)
    if progress.best:
        module.load_state_dict(progress.best)
    diverged = None if parts.protocol.schedule.is_range_test else _divergence(history[-1])
    steps = len(history) * _steps_of_an_epoch(parts)
    return TrainingResult(tuple(history), progress.best_epoch, diverged, progress.examples, steps, progress.best_val)


def _steps_of_an_epoch(parts: FitParts) -> int:
    examples = len(parts.data.split.train) * parts.learner.passes
    return steps_of(examples, parts.protocol.batch_size, parts.context.shard)


def _begun(parts: FitParts, streams: RandomStreams) -> TrainingProgress:
    """Return where an earlier attempt had come to, whose epochs are reported again; or the beginning."""
    progress = None if parts.checkpoints is None else parts.checkpoints.restore(parts.learner, streams)
    if progress is None:
        return TrainingProgress()
    enough = False
    for row in progress.history:
        enough = parts.context.report(row)
    progress.signal = parts.context.agree_max(max(progress.signal, Signal.STOP if enough else Signal.GO_ON))
    return progress


def _epoch(parts: FitParts, streams: RandomStreams, history: list[EpochRow]) -> tuple[int, Outputs, Signal]:
    """Train, look at the validation split, report.

    Returns how many examples were trained on, what the module gives for the validation split, and this rank's signal.
    """
    stopwatch = Stopwatch(parts.context.device)
    result = _learn(parts, streams, history)
    seconds = stopwatch.lap()
    outputs = _validate(parts)
    column, _ = selected_column(parts.protocol, parts.task)
    val = parts.task.measure_for(column, outputs.outputs, outputs.targets)
    row = EpochRow(
        epoch=len(history) + 1,
        lr=parts.learner.lr,
        train_loss=result.loss,
        train_accuracy=result.accuracy,
        val=val,
        gradient_norm=result.gradient_norm,
        exploding_steps=result.exploding_steps,
        seconds=seconds,
        eval_seconds=stopwatch.lap(),
    )
    history.append(row)
    enough = parts.context.report(row)
    # a range test that is stopped early has not looked at the rates that it was asked about
    stoppers = () if parts.protocol.schedule.is_range_test else parts.regularizers
    return result.examples, outputs, max(_signal(history, stoppers), Signal.STOP if enough else Signal.GO_ON)


def _learn(parts: FitParts, streams: RandomStreams, history: Sequence[EpochRow]) -> _EpochResult:
    """The learner's passes over the training split. Nothing here waits for the device before the last step."""
    learner, protocol, context = parts.learner, parts.protocol, parts.context
    train = np.tile(parts.data.split.train, learner.passes)
    batches = parts.data.batches.training(
        train,
        protocol.batch_size,
        parts.regularizers,
        streams.shuffle,
        streams.augment,
        context.shard,
        len(parts.data.info.classes),
    )
    steps = _steps_of_an_epoch(parts)
    losses = torch.zeros((), dtype=torch.float64, device=context.device)
    correct: Tensor | None = torch.zeros((), dtype=torch.int64, device=context.device)
    norms: list[Tensor] = []
    count = 0
    done = len(history) * steps
    for step, (inputs, targets) in enumerate(batches, start=done):
        context.check()
        moment = Moment(step, steps * protocol.epochs, len(history), protocol.epochs, history)
        learner.set_lr_factor(protocol.schedule.factor_after_warm_up(moment))
        learner.measures_gradients = (step - done) % _GRADIENTS_MEASURED == 0
        result = learner.step(inputs, targets)
        if learner.measures_gradients and result.gradient_norm is not None:
            norms.append(result.gradient_norm)
        losses += result.loss
        correct = None if correct is None or result.correct is None else correct + result.correct
        count += len(inputs)
    return _over_all_ranks(losses, correct, norms, count, context)


def _over_all_ranks(
    losses: Tensor, correct: Tensor | None, norms: Sequence[Tensor], count: int, context: Context
) -> _EpochResult:
    examples = int(context.all_reduce(torch.tensor(count, device=context.device)))
    accuracy = None if correct is None else float(context.all_reduce(correct)) / examples
    loss = float(context.all_reduce(losses)) / examples
    # gradients are averaged over the ranks before they are measured, so that each rank has the same norms
    measured = torch.stack(tuple(norms)).double().cpu() if norms else torch.empty(0, dtype=torch.float64)
    return _EpochResult(loss, accuracy, _mean_norm(measured), exploding(measured), examples)


def _mean_norm(norms: Tensor) -> float | None:
    mean = float(norms.mean())
    return mean if math.isfinite(mean) else None


def exploding(norms: Tensor) -> float | None:
    """Return the share of the norms (steps,) that are not finite or far beyond the median of those that are."""
    if not len(norms):
        return None
    finite = norms[norms.isfinite()]
    bound = _EXPLODING * finite.median() if len(finite) else math.inf
    return float((~norms.isfinite() | (norms > bound)).double().mean())


def _validate(parts: FitParts) -> Outputs:
    parts.context.sync_buffers(parts.learner.module)
    data = parts.data
    return predict(parts.learner.module, data.batches, data.split.val, parts.protocol, parts.context)


def _signal(history: Sequence[EpochRow], regularizers: Sequence[Regularizer]) -> Signal:
    if _divergence(history[-1]):
        return Signal.DIVERGED
    if any(regularizer.should_stop(history) for regularizer in regularizers):
        return Signal.STOP
    return Signal.GO_ON


def _divergence(row: EpochRow) -> str | None:
    """The reason of a diverged trial: a loss that is not finite."""
    for split, loss in (("training", row.train_loss), ("validation", row.val.loss)):
        if not math.isfinite(loss):
            return f"the {split} loss is {loss:g} in epoch {row.epoch}, at a learning rate of {row.lr:g}"
    return None
