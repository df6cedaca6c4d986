"""Made-up classifiers: examples with features, softmax outputs and classes, with shift and without."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLASSES = 10
WIDTH = 16
CENTRES = 3.5 * np.linalg.qr(np.random.default_rng(99).normal(size=(WIDTH, WIDTH)))[0][:CLASSES]
"""Each as far from each other, so that a net is as sure of one class as of another."""


@dataclass(frozen=True, slots=True)
class World:
    features: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]

    def seen_by(self, detector: str) -> NDArray[np.float64] | NDArray[np.int64]:
        return {"mmd": self.features, "labels": self.labels}.get(detector, self.probabilities)


def world(n: int, seed: int, *, noise: float = 1.0, contrast: float = 1.0, classes: int = CLASSES) -> World:
    """A Gaussian cloud for each class, seen by the net that is best without shift: it is right in 95 of 100."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    features = contrast * CENTRES[labels] + noise * rng.normal(size=(n, WIDTH))
    logits = features @ CENTRES.T - (CENTRES**2).sum(axis=1) / 2
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return World(features, exponents / exponents.sum(axis=1, keepdims=True), labels)
