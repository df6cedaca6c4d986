"""A planted background cue: a small patch at the border that stands for a class, and tempts a model to look no further.

In training and validation it agrees with the class as often as asked for; in the test split it is independent of it, so
that the accuracy where the two conflict tells what a model has learnt of the class itself (as in Sagawa et al. 2020,
"Distributionally Robust Neural Networks", section 3, and Arjovsky et al. 2019, "Invariant Risk Minimization", section 5).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SHARE: Final = 8
"""A patch is an eighth of the smaller side, and at least two pixels."""
_LEAST: Final = 2
_PATTERNS: Final = 4
"""White left, right, above or below of black: seen on any background."""


def most_cues(height: int, width: int) -> int:
    """How many different patches there are for pictures of this size."""
    return _PATTERNS * len(_corners(height, width))


def drawn_cues(
    labels: NDArray[np.int64],
    classes: int,
    agreement: float,
    independent: NDArray[np.bool_],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """The class that each example's cue stands for, int64 (examples,).

    It is the example's own with the probability `agreement`, else any other one alike; where `independent`, any class
    alike. labels: int64 (examples,), at least two classes.
    """
    count = len(labels)
    agrees = generator.random(count) < agreement
    other = (labels + generator.integers(1, classes, count)) % classes
    anything = generator.integers(0, classes, count)
    return np.where(independent, anything, np.where(agrees, labels, other)).astype(np.int64)


def planted(
    inputs: NDArray[np.uint8] | NDArray[np.float32], cues: NDArray[np.int64]
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """A copy of the inputs (examples, ..., height, width) with each one's patch, on every channel and frame."""
    corners = _corners(*inputs.shape[-2:])
    side = _side(*inputs.shape[-2:])
    shown = inputs.copy()
    for cue in np.unique(cues):
        top, left = corners[cue % len(corners)]
        patch = _pattern(side, int(cue) // len(corners)) * (255 if inputs.dtype == np.uint8 else 1)
        shown[cues == cue, ..., top : top + side, left : left + side] = patch.astype(inputs.dtype)
    return shown


def _side(height: int, width: int) -> int:
    return max(_LEAST, min(height, width) // _SHARE)


def _corners(height: int, width: int) -> list[tuple[int, int]]:
    """Top and left of the places along the border, that do not overlap."""
    side = _side(height, width)
    rows, columns = height // side, width // side
    return [
        (row * side, column * side)
        for row in range(rows)
        for column in range(columns)
        if row in (0, rows - 1) or column in (0, columns - 1)
    ]


def _pattern(side: int, turns: int) -> NDArray[np.float32]:
    patch = np.zeros((side, side), np.float32)
    patch[:, : side // 2] = 1
    return np.rot90(patch, turns)
