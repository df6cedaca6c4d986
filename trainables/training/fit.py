"""The training loop."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from trainables.context import Context, Signal
from trainables.data.batches import sizes
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

GRADIENTS_MEASURED: Final = 8
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
class EpochResult:
    """One epoch of learning: means over the examples of all ranks."""

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
    training = Training(parts)
    while training.goes_on:
        stopwatch = Stopwatch(parts.context.device)
        learned = _learn(parts, training.streams, training.history)
        seconds = stopwatch.lap()
        training.epoch_done(learned, _validate(parts), seconds, stopwatch.lap)
    return training.result()


class Training:
    """The training of a trial under way: what there is to an epoch beside its steps."""

    def __init__(self, parts: FitParts, layers: torch.Generator | None = None) -> None:
        """layers: what the net's layers draw from, where that is not torch's own generator. Raises CheckpointError."""
        self.parts = parts
        parts.learner.module.train()
        self.streams = RandomStreams(parts.seeds, parts.context, layers)
        self._progress = _begun(parts, self.streams)
        self.history = self._progress.history

    @property
    def goes_on(self) -> bool:
        """Whether there is another epoch to learn."""
        return self._progress.signal is Signal.GO_ON and len(self.history) < self.parts.protocol.epochs

    def epoch_done(self, learned: EpochResult, val: Outputs, seconds: float, eval_seconds: Callable[[], float]) -> None:
        """Report an epoch, decide whether it is selected and whether there is another, keep a checkpoint.

        val: what the module gives for the validation split. seconds: of the learning. eval_seconds: of the rest, asked
        once that is measured. Raises TrialTimedOut and TrialCancelled.
        """
        parts, progress = self.parts, self._progress
        signal = self._reported(learned, val, seconds, eval_seconds)
        progress.examples += learned.examples
        progress.signal = signal = parts.context.agree_max(signal)
        if signal in _ENDS:
            error, message = _ENDS[signal]
            raise error(message)
        if signal is not Signal.DIVERGED and is_best(self.history, parts.protocol, parts.task):
            progress.best_epoch, progress.best_val, progress.best = len(self.history), val, parts.learner.weights()
        if parts.checkpoints is not None:
            parts.checkpoints.after_epoch(parts.learner, self.streams, progress, over=not self.goes_on)

    def result(self) -> TrainingResult:
        """What it has come to, the selected weights in the module."""
        parts, progress = self.parts, self._progress
        if progress.best:
            parts.learner.module.load_state_dict(progress.best)
        diverged = None if parts.protocol.schedule.is_range_test else _divergence(self.history[-1])
        steps = len(self.history) * steps_of_an_epoch(parts)
        return TrainingResult(
            tuple(self.history), progress.best_epoch, diverged, progress.examples, steps, progress.best_val
        )

    def _reported(
        self, learned: EpochResult, val: Outputs, seconds: float, eval_seconds: Callable[[], float]
    ) -> Signal:
        """This rank's signal after the epoch."""
        parts = self.parts
        column, _ = selected_column(parts.protocol, parts.task)
        measured = parts.task.measure_for(column, val.outputs, val.targets)
        row = EpochRow(
            epoch=len(self.history) + 1,
            lr=parts.learner.lr,
            train_loss=learned.loss,
            train_accuracy=learned.accuracy,
            val=measured,
            gradient_norm=learned.gradient_norm,
            exploding_steps=learned.exploding_steps,
            seconds=seconds,
            eval_seconds=eval_seconds(),
        )
        self.history.append(row)
        enough = parts.context.report(row)
        # a range test that is stopped early has not looked at the rates that it was asked about
        stoppers = () if parts.protocol.schedule.is_range_test else parts.regularizers
        return max(_signal(self.history, stoppers), Signal.STOP if enough else Signal.GO_ON)


def steps_of_an_epoch(parts: FitParts) -> int:
    """Optimizer steps."""
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


def _learn(parts: FitParts, streams: RandomStreams, history: Sequence[EpochRow]) -> EpochResult:
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
    steps = steps_of_an_epoch(parts)
    losses = torch.zeros((), dtype=torch.float64, device=context.device)
    correct: Tensor | None = torch.zeros((), dtype=torch.int64, device=context.device)
    norms: list[Tensor] = []
    count = 0
    done = len(history) * steps
    whole = sizes(len(train), protocol.batch_size, context.shard)
    for step, (examples, (inputs, targets)) in enumerate(zip(whole, batches, strict=True), start=done):
        context.check()
        moment = Moment(step, steps * protocol.epochs, len(history), protocol.epochs, history)
        learner.set_lr_factor(protocol.schedule.factor_after_warm_up(moment))
        learner.measures_gradients = (step - done) % GRADIENTS_MEASURED == 0
        learner.batch_examples = examples
        result = learner.step(inputs, targets)
        if learner.measures_gradients and result.gradient_norm is not None:
            norms.append(result.gradient_norm)
        losses += result.loss
        correct = None if correct is None or result.correct is None else correct + result.correct
        count += len(inputs)
    return _over_all_ranks(losses, correct, norms, count, context)


def _over_all_ranks(
    losses: Tensor, correct: Tensor | None, norms: Sequence[Tensor], count: int, context: Context
) -> EpochResult:
    examples = int(context.all_reduce(torch.tensor(count, device=context.device)))
    accuracy = None if correct is None else float(context.all_reduce(correct)) / examples
    loss = float(context.all_reduce(losses)) / examples
    # gradients are averaged over the ranks before they are measured, so that each rank has the same norms
    return EpochResult(loss, accuracy, *norms_of(norms), examples)


def norms_of(norms: Sequence[Tensor]) -> tuple[float | None, float | None]:
    """Of the norms of an epoch's measured steps their mean, and the share of those that explode."""
    measured = torch.stack(tuple(norms)).double().cpu() if norms else torch.empty(0, dtype=torch.float64)
    return _mean_norm(measured), exploding(measured)


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
