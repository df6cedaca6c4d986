"""A planted background cue: a small patch at the border that stands for a class, and tempts a model to look no further.

In training and validation it agrees with the class as often as asked for; in the test split it is independent of it, so
that the accuracy where the two conflict tells what a model has learnt of the class itself (as in Sagawa et al. 2020,
"Distributionally Robust Neural Networks", section 3, and Arjovsky et al. 2019, "Invariant Risk Minimization", section 5).
"""

import numpy as np
from numpy.typing import NDArray

from trainables.data_options import cue_corners, cue_side


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
    corners = cue_corners(*inputs.shape[-2:])
    side = cue_side(*inputs.shape[-2:])
    shown = inputs.copy()
    for cue in np.unique(cues):
        top, left = corners[cue % len(corners)]
        patch = _pattern(side, int(cue) // len(corners)) * (255 if inputs.dtype == np.uint8 else 1)
        shown[cues == cue, ..., top : top + side, left : left + side] = patch.astype(inputs.dtype)
    return shown


def cue_masks(cues: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Where each example's patch stands: (examples, height, width)."""
    places = np.array(cue_corners(height, width))
    tops, lefts = places[cues % len(places)].T[..., np.newaxis]
    side, rows, columns = cue_side(height, width), np.arange(height), np.arange(width)
    in_rows, in_columns = (
        ((start <= line) & (line < start + side)) for start, line in ((tops, rows), (lefts, columns))
    )
    return np.asarray(in_rows[:, :, np.newaxis] & in_columns[:, np.newaxis, :])


def _pattern(side: int, turns: int) -> NDArray[np.float32]:
    patch = np.zeros((side, side), np.float32)
    patch[:, : side // 2] = 1
    return np.rot90(patch, turns)
