"""What a module gives for a split, without learning from it."""

from dataclasses import dataclass, field
from math import prod
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.columns import Scores
from trainables.context import Context
from trainables.data.batches import Batches
from trainables.process_state.precision import autocast
from trainables.protocol import Protocol
from trainables.records import Breakdown, CueScores, Seeds
from trainables.task import Answers, Task
from trainables.training.prepare import Prepared

_MAX_EXAMPLES: Final = 1000
_MAX_NUMBERS: Final = 1 << 22
"""Input numbers in an evaluation batch (16 MB), so that large images do not need memory that training never did."""
_CACHED_NUMBERS: Final = 1 << 18
"""The same on a CPU (1 MB): a small network's maps then stay in its cache, which is 1.6 times as fast as 1,000 at once."""
_MIN_CACHED: Final = 16
"""Examples in a batch on a CPU, however large they are."""


class Outputs(NamedTuple):
    """What a module gives for a whole split, in its order."""

    outputs: Tensor
    """float32 (examples, outputs)."""
    targets: Tensor
    """As in `Examples`."""


def predict(
    module: nn.Module, batches: Batches, indices: NDArray[np.int64], protocol: Protocol, context: Context
) -> Outputs:
    """Return what the module gives for a split, the same on every rank.

    Leaves the module in training mode.
    """
    size = batch_size(prod(batches.shape), context.device)
    outputs: list[Tensor] = []
    targets: list[Tensor] = []
    casting = autocast(protocol, context.device)
    module.eval()
    with torch.inference_mode():
        for inputs, batch_targets in batches.evaluation(indices, size, context.shard):
            with casting:
                outputs.append(module(inputs).float())
            targets.append(batch_targets)
    module.train()
    return Outputs(context.gather(torch.cat(outputs)), context.gather(torch.cat(targets)))


def batch_size(numbers: int, device: torch.device) -> int:
    """Examples that go through a net at once where it learns nothing. numbers: of an input."""
    most = min(_MAX_EXAMPLES, _MAX_NUMBERS // numbers)
    if device.type == "cpu":
        most = min(most, max(_MIN_CACHED, _CACHED_NUMBERS // numbers))
    return max(1, most)


# The clean passes after training, with the selected weights: train, and the test split once.

_CLEAN_TRAIN: Final = 10_000
"""Training examples that are measured, at most."""

_GAINED: Final = 0.01
"""Share of the loss of a constant answer that a net has to get rid of: one that gives the shares of the classes comes a
little below it by chance."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Scores of each split; all None where the trial diverged."""

    train: Scores | None = None
    val: Scores | None = None
    test: Scores | None = None
    breakdown: Breakdown = field(default_factory=Breakdown)
    cue: CueScores | None = None
    stuck: bool | None = None
    """Whether training has led to no better loss than an answer that never changes; None where that is not known."""
    answers: Answers | None = None
    """To the test split; None where they are not kept, and on every rank but the first."""
    tested: Outputs | None = None
    """What the test split was given; None where it was not read."""
    diverged: str | None = None
    """Why the selected weights cannot be measured, if they cannot."""


UNMEASURED: Final = Metrics()


def measure_validation(val: Outputs, task: Task) -> Metrics:
    """Return what a tuning trial is measured by. No other split is read."""
    try:
        return Metrics(val=task.measure(*_finite("validation", val)))
    except _NotFiniteError as reason:
        return Metrics(diverged=str(reason))


class _NotFiniteError(Exception):
    """Outputs that no measure is defined for."""


def measure(
    module: nn.Module, val: Outputs, task: Task, data: Prepared, protocol: Protocol, seeds: Seeds, context: Context
) -> Metrics:
    """Measure without dropout or augmentation. The test split is read last, and only here.

    val: what the selected weights gave for the validation split.
    """

    def outputs_of(indices: NDArray[np.int64]) -> Outputs:
        return predict(module, data.batches, indices, protocol, context)

    try:
        trained = _finite("training", outputs_of(_some(data.split.train, seeds.split)))
        train = task.measure(*trained)
        val_scores = task.measure(*_finite("validation", val))
        test = _finite("test", outputs_of(data.split.test))
    except _NotFiniteError as reason:
        return Metrics(diverged=str(reason))
    breakdown = task.breakdown_beside(val, test, data.info)
    answers = task.answers(*test) if protocol.keep_predictions and context.rank == 0 else None
    cue, stuck = _by_cue(task, test, data), _is_stuck(train.loss, task.constant_loss(trained.targets))
    return Metrics(train, val_scores, task.measure(*test), breakdown, cue, stuck, answers, test)


def _finite(split: str, outputs: Outputs) -> Outputs:
    if not bool(torch.isfinite(outputs.outputs).all()):
        raise _NotFiniteError(f"the outputs on the {split} split are not all finite with the selected weights")
    return outputs


def _is_stuck(loss: float, constant: float | None) -> bool | None:
    """constant: the loss of the best answer that never changes. Where that is 0 there is nothing to learn."""
    return None if not constant else loss > (1 - _GAINED) * constant


def _by_cue(task: Task, test: Outputs, data: Prepared) -> CueScores | None:
    """Return how right the test split's outputs are where the planted cue agrees with the class, and where it does not."""
    if data.cues is None:
        return None
    outputs, targets = test
    agrees = torch.from_numpy(data.cues[data.split.test]).to(targets.device) == targets

    def accuracy(group: Tensor) -> float | None:
        correct = task.correct(outputs[group], targets[group])
        return float(correct) / int(group.sum()) if correct is not None and bool(group.any()) else None

    return CueScores(int(agrees.sum()), accuracy(agrees), accuracy(~agrees))


def _some(indices: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return all, or a fixed random part in the old order: the first ones may all be of one class."""
    if len(indices) <= _CLEAN_TRAIN:
        return indices
    return np.sort(np.random.default_rng(seed).choice(indices, _CLEAN_TRAIN, replace=False))
