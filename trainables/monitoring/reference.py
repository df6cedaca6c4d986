"""What windows of pictures are compared with: the validation split of a trial, as its net has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from trainables.errors import CannotDeploy
from trainables.measurements._detector import DRAWS, MIN_REFERENCE
from trainables.measurements._drifting import Watch
from trainables.measurements._estimated import DifferenceOfConfidences
from trainables.monitoring.window import Said, said_of, together
from trainables.stages.measured_net import as_pixels
from trainables.stages.trial_net import TrialNet
from trainables.training.prepare import Prepared

_AT_ONCE: Final = 4_096
"""Examples whose pixels are held at a time."""
_RARE: Final = 20
"""Windows of the null above a threshold: it is then uncertain by a fifth of its rate."""


@dataclass(frozen=True)
class Reference:
    """The validation split, and detectors that are calibrated on it."""

    n: int
    estimate: DifferenceOfConfidences
    """Of the accuracy, without labels."""
    shares: NDArray[np.float64]
    """(classes,): of the predictions."""
    classes: tuple[str, ...]
    size: int
    """Of a window."""
    alpha: float
    """Share of windows without shift that each detector may alarm about."""
    watches: tuple[Watch, ...]

    @classmethod
    def of(cls, net: TrialNet, data: Prepared, detectors: Sequence[str], size: int, alpha: float, seed: int) -> Self:
        """detectors: of `_drift.DETECTORS`. alpha: of all of them together, as if they were independent.

        Raises CannotDeploy where the split is too small for such windows, or the net says what is not finite.
        """
        _refuse_few(len(data.split.val), size)
        said, targets = _on_validation(net, data)
        if strange := said.not_finite:
            raise CannotDeploy(f"of {strange:,} of the {len(targets):,} validation examples it says what is not finite")
        correct = said.probabilities.argmax(axis=1) == targets
        each = alpha / len(detectors)
        draws = max(DRAWS, ceil(_RARE / each))
        watches = [
            Watch.calibrated(name, looked_at(name, said, targets), size, each, seed, draws) for name in detectors
        ]
        counts = np.bincount(said.probabilities.argmax(axis=1), minlength=len(net.classes))
        estimate = DifferenceOfConfidences.fitted(said.probabilities, correct)
        return cls(len(targets), estimate, counts / len(targets), net.classes, size, each, tuple(watches))


def looked_at(detector: str, said: Said, labels: NDArray[np.int64]) -> NDArray[Any]:
    """What a detector looks at of each example."""
    return {"mmd": said.features, "labels": labels}.get(detector, said.probabilities)


def _refuse_few(examples: int, size: int) -> None:
    if examples < MIN_REFERENCE:
        raise CannotDeploy(
            f"its validation split has {examples} examples, and {MIN_REFERENCE} are the least to compare with"
        )
    if size > examples // 2:  # windows of the null are drawn from halves
        raise CannotDeploy(
            f"its validation split has {examples:,} examples, which calibrate windows of {examples // 2:,} pictures at most"
            f" (--window {examples // 2})"
        )


def _on_validation(net: TrialNet, data: Prepared) -> tuple[Said, NDArray[np.int64]]:
    parts, targets = [], []
    for start in range(0, len(data.split.val), _AT_ONCE):
        examples = data.batches.examples(data.split.val[start : start + _AT_ONCE])
        parts.append(said_of(net, as_pixels(examples.inputs)))
        targets.append(examples.targets.astype(np.int64))
    return together(parts), np.concatenate(targets)
