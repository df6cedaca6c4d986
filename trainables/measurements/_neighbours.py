"""How far examples are from what a net was trained on, in its own features."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BATCH: Final = 1_024
"""Examples that are looked at together."""


def unit_length(features: NDArray[Any]) -> NDArray[np.float32]:
    """(n, d): each divided by its length; zeros stay."""
    rows = np.asarray(features, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def distance_to_training(features: NDArray[Any], training: NDArray[Any], nearest: int = 1) -> NDArray[np.float64]:
    """Euclidean distance of each example to the so-manieth nearest of the training split, the farthest where it has fewer.

    Features: (n, d) and (m, d). Exact, a batch of examples at a time. Of features of unit length it is the score of Sun,
    Ming, Zhu and Li, "Out-of-Distribution Detection with Deep Nearest Neighbors" (ICML 2022). Raises ValueError where there
    is no training example.
    """
    if not len(training):
        raise ValueError("there is no training example to be near to")
    centre = np.mean(training, axis=0, dtype=np.float64)  # numbers far from 0 would be rounded away when squared
    examples, known = (np.asarray(each - centre, dtype=np.float32) for each in (features, training))
    half_squares = np.einsum("md,md->m", known, known) / 2
    place = min(nearest, len(known)) - 1
    found = np.empty(len(examples))
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        # the product tells which it is; of near ones it rounds the distance away, which is computed by itself
        chosen = np.argpartition(half_squares - batch @ known.T, place, axis=1)[:, place]
        found[start : start + BATCH] = np.linalg.norm(batch.astype(np.float64) - known[chosen], axis=1)
    return found
