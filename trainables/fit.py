"""The training loop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import torch
from torch import Tensor

from trainables.clock import Stopwatch
from trainables.context import Context, Signal
from trainables.data.batches import steps as steps_of
from trainables.errors import TrialCancelled, TrialStopped, TrialTimedOut
from trainables.evaluate import Outputs, predict
from trainables.learner import Learner
from trainables.preparation import Prepared
from trainables.protocol import Protocol
from trainables.records import EpochRow, Seeds
from trainables.regularizer import Regularizer
from trainables.schedule import Moment
from trainables.selection import is_best
from trainables.task import Task

_GRADIENTS_MEASURED: Final = 8
"""One step of so many has its gradients measured, the first of an epoch among them."""
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


@dataclass(frozen=True, slots=True)
class Fitted:
    """How training went. The learner's module holds the weights of the selected epoch, if there is one."""

    history: tuple[EpochRow, ...]
    best_epoch: int | None
    diverged: str | None
    """Why it diverged, where it did and was not meant to."""
    examples: int
    """Examples learnt, over all epochs and workers."""
    val: Outputs | None
    """What the selected weights gave for the validation split; None where no epoch was selected."""


@dataclass(frozen=True, slots=True)
class _Streams:
    """Random numbers of the training, each from its own seed."""

    order: torch.Generator
    """The same on every rank: each takes its part of the same batches."""
    augment: torch.Generator


@dataclass(frozen=True, slots=True)
class _Learnt:
    """One epoch's training: means over the examples of all ranks."""

    loss: float
    accuracy: float | None
    gradient_norm: float | None
    examples: int


def fit(parts: FitParts) -> Fitted:
    """Train epoch by epoch, select on validation, and leave the selected weights in the module.

    Raises TrialTimedOut and TrialCancelled, and whatever a component raises. A rank that raises in the middle of an epoch
    leaves the others waiting for it: whoever started them has to end them (ADR 2).
    """
    streams = _streams(parts.seeds, parts.context)
    module = parts.learner.module.train()
    history: list[EpochRow] = []
    best: dict[str, Tensor] = {}
    best_epoch: int | None = None
    best_val: Outputs | None = None
    examples = 0
    signal = Signal.GO_ON
    while signal is Signal.GO_ON and len(history) < parts.protocol.epochs:
        learnt, val, signal = _epoch(parts, streams, history)
        examples += learnt
        signal = parts.context.agree(signal)
        if signal in _ENDS:
            error, message = _ENDS[signal]
            raise error(message)
        if signal is not Signal.DIVERGED and is_best(history, parts.protocol, parts.task):
            best_epoch, best_val = len(history), val
            best = {name: value.detach().clone() for name, value in module.state_dict().items()}
    if best:
        module.load_state_dict(best)
    diverged = None if parts.protocol.schedule.is_range_test else _divergence(history[-1])
    return Fitted(tuple(history), best_epoch, diverged, examples, best_val)


def _epoch(parts: FitParts, streams: _Streams, history: list[EpochRow]) -> tuple[int, Outputs, Signal]:
    """Train, look at the validation split, report.

    How many examples were learnt, what the module gives for the validation split, and what this rank says is next.
    """
    stopwatch = Stopwatch(parts.context.device)
    learnt = _learn(parts, streams, history)
    seconds = stopwatch.lap()
    outputs = _validate(parts)
    val = parts.task.quick_scores(outputs.outputs, outputs.targets)
    row = EpochRow(
        epoch=len(history) + 1,
        lr=parts.learner.lr,
        train_loss=learnt.loss,
        val_loss=val.loss,
        seconds=seconds,
        eval_seconds=stopwatch.lap(),
        train_accuracy=learnt.accuracy,
        val_accuracy=val.accuracy,
        val_balanced_accuracy=val.balanced_accuracy,
        val_mse=val.mse,
        val_mae=val.mae,
        val_r2=val.r2,
        gradient_norm=learnt.gradient_norm,
    )
    history.append(row)
    parts.context.report(row)
    return learnt.examples, outputs, _signal(history, parts.regularizers)


def _learn(parts: FitParts, streams: _Streams, history: Sequence[EpochRow]) -> _Learnt:
    """The learner's passes over the training split. Nothing here waits for the device before the last step."""
    learner, protocol, context = parts.learner, parts.protocol, parts.context
    train = np.tile(parts.data.split.train, learner.passes)
    batches = parts.data.batches.training(
        train,
        protocol.batch_size,
        parts.regularizers,
        streams.order,
        streams.augment,
        context.shard,
        len(parts.data.info.classes),
    )
    steps = steps_of(len(train), protocol.batch_size, context.shard)
    losses = torch.zeros((), dtype=torch.float64, device=context.device)
    hits: Tensor | None = torch.zeros((), dtype=torch.int64, device=context.device)
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
        hits = None if hits is None or result.hits is None else hits + result.hits
        count += len(inputs)
    return _over_all_ranks(losses, hits, norms, count, context)


def _over_all_ranks(
    losses: Tensor, hits: Tensor | None, norms: Sequence[Tensor], count: int, context: Context
) -> _Learnt:
    examples = int(context.total(torch.tensor(count, device=context.device)))
    accuracy = None if hits is None else float(context.total(hits)) / examples
    return _Learnt(float(context.total(losses)) / examples, accuracy, _mean_norm(norms), examples)


def _mean_norm(norms: Sequence[Tensor]) -> float | None:
    """Gradients are averaged over the ranks before they are measured, so that each rank has the same norms."""
    mean = float(torch.stack(tuple(norms)).double().mean()) if norms else math.nan
    return mean if math.isfinite(mean) else None


def _validate(parts: FitParts) -> Outputs:
    parts.context.same(parts.learner.module)
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
    for split, loss in (("training", row.train_loss), ("validation", row.val_loss)):
        if not math.isfinite(loss):
            return f"the {split} loss is {loss:g} in epoch {row.epoch}, at a learning rate of {row.lr:g}"
    return None


def _streams(seeds: Seeds, context: Context) -> _Streams:
    """Every rank augments and drops out on its own, in the same order of examples.

    Layers such as dropout draw from torch's own generators, which have their seed from here.
    """
    torch.manual_seed(_of_rank("layers", seeds.augment, context.rank))
    augment = torch.Generator(context.device).manual_seed(_of_rank("augment", seeds.augment, context.rank))
    return _Streams(torch.Generator().manual_seed(seeds.order), augment)


def _of_rank(purpose: str, seed: int, rank: int) -> int:
    return int.from_bytes(blake2b(f"{purpose}:{seed}:{rank}".encode(), digest_size=8).digest(), "big") >> 1
