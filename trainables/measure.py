"""The clean passes after training, with the selected weights: train, validation, and the test split once."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.context import Context
from trainables.evaluate import predict
from trainables.preparation import Prepared
from trainables.protocol import Protocol
from trainables.records import Breakdown, Scores, Seeds
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
    diverged: str | None = None
    """Why the selected weights cannot be measured, if they cannot."""


UNMEASURED: Final = Measures()


class _NotFiniteError(Exception):
    """Outputs that no measure is defined for."""


def measure(
    module: nn.Module, task: Task, data: Prepared, protocol: Protocol, seeds: Seeds, context: Context
) -> Measures:
    """No dropout, no augmentation. The test split is read last, and only here."""

    def outputs_of(split: str, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        outputs, targets = predict(module, data.batches, indices, protocol, context)
        if not bool(torch.isfinite(outputs).all()):
            raise _NotFiniteError(f"the outputs on the {split} split are not all finite with the selected weights")
        return outputs, targets

    try:
        train = task.scores(*outputs_of("training", _some(data.split.train, seeds.split)))
        val = task.scores(*outputs_of("validation", data.split.val))
        outputs, targets = outputs_of("test", data.split.test)
    except _NotFiniteError as reason:
        return Measures(diverged=str(reason))
    return Measures(train, val, task.scores(outputs, targets), task.breakdown(outputs, targets, data.info))


def _some(indices: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """All, or a fixed random part in the old order: the first ones may all be of one class."""
    if len(indices) <= _CLEAN_TRAIN:
        return indices
    return np.sort(np.random.default_rng(seed).choice(indices, _CLEAN_TRAIN, replace=False))
