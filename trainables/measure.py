"""The clean passes after training, with the selected weights: train, and the test split once.

The validation split has been passed with these weights already, when their epoch was selected.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.context import Context
from trainables.evaluate import Outputs, predict
from trainables.preparation import Prepared
from trainables.protocol import Protocol
from trainables.records import Breakdown, CueScores, Scores, Seeds
from trainables.task import Task

_CLEAN_TRAIN: Final = 10_000
"""Training examples that are measured, at most."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Scores of each split; all None where the trial diverged."""

    train: Scores | None = None
    val: Scores | None = None
    test: Scores | None = None
    breakdown: Breakdown = field(default_factory=Breakdown)
    cue: CueScores | None = None
    diverged: str | None = None
    """Why the selected weights cannot be measured, if they cannot."""


UNMEASURED: Final = Measures()


def measure_validation(val: Outputs, task: Task) -> Measures:
    """What a tuning trial is measured by. No other split is read."""
    try:
        return Measures(val=task.scores(*_finite("validation", val)))
    except _NotFiniteError as reason:
        return Measures(diverged=str(reason))


class _NotFiniteError(Exception):
    """Outputs that no measure is defined for."""


def measure(
    module: nn.Module, val: Outputs, task: Task, data: Prepared, protocol: Protocol, seeds: Seeds, context: Context
) -> Measures:
    """No dropout, no augmentation. The test split is read last, and only here.

    val: what the selected weights gave for the validation split.
    """

    def outputs_of(indices: NDArray[np.int64]) -> Outputs:
        return predict(module, data.batches, indices, protocol, context)

    try:
        train = task.scores(*_finite("training", outputs_of(_some(data.split.train, seeds.split))))
        val_scores = task.scores(*_finite("validation", val))
        test = _finite("test", outputs_of(data.split.test))
    except _NotFiniteError as reason:
        return Measures(diverged=str(reason))
    breakdown = task.breakdown(*test, data.info)
    return Measures(train, val_scores, task.scores(*test), breakdown, _by_cue(task, test, data))


def _finite(split: str, outputs: Outputs) -> Outputs:
    if not bool(torch.isfinite(outputs.outputs).all()):
        raise _NotFiniteError(f"the outputs on the {split} split are not all finite with the selected weights")
    return outputs


def _by_cue(task: Task, test: Outputs, data: Prepared) -> CueScores | None:
    """How right the test split's outputs are where the planted cue agrees with the class, and where it does not."""
    if data.cues is None:
        return None
    outputs, targets = test
    agrees = torch.from_numpy(data.cues[data.split.test]).to(targets.device) == targets

    def accuracy(group: Tensor) -> float | None:
        hits = task.hits(outputs[group], targets[group])
        return float(hits) / int(group.sum()) if hits is not None and bool(group.any()) else None

    return CueScores(int(agrees.sum()), accuracy(agrees), accuracy(~agrees))


def _some(indices: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """All, or a fixed random part in the old order: the first ones may all be of one class."""
    if len(indices) <= _CLEAN_TRAIN:
        return indices
    return np.sort(np.random.default_rng(seed).choice(indices, _CLEAN_TRAIN, replace=False))
