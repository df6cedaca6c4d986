"""Drift of features: the distance of two samples that a kernel tells."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.measurements._detector import Detector, Floats, Places

SAMPLE: Final = 5_000
"""Examples of the reference to which a kernel tells how near a window is."""
FEW: Final = 1_000
"""Those of them that are permuted, and of which the kernel's width is."""
PERMUTATIONS: Final = 200


class Mmd(Detector):
    """Unbiased MMD^2 of a Gaussian kernel whose width is the median distance. Examples: features (n, d).

    Gretton et al., "A Kernel Two-Sample Test", Journal of Machine Learning Research 13 (2012), equation 3 and section 8;
    p by permutations. Of a larger reference `SAMPLE` examples are drawn, always the same.
    """

    name = "mmd"

    def __init__(self, reference: NDArray[Any]) -> None:
        super().__init__(reference)
        self.reference = _some_of(self.reference, SAMPLE)
        self._centre = self.reference.mean(axis=0, dtype=np.float64)
        self._known, self._few = self._centred(self.reference), self._centred(_some_of(self.reference, FEW))
        apart = _square_distances(self._few, self._few)[np.triu_indices(len(self._few), 1)]
        self._width = float(np.median(apart)) or float(apart.mean()) or 1.0  # most may be alike, or all
        self._within = (self._towards(self._known).mean() * len(self._known) - 1) / (len(self._known) - 1)

    def _centred(self, examples: NDArray[Any]) -> NDArray[np.float32]:
        """Numbers far from 0 would be rounded away when they are squared."""
        return np.asarray(examples - self._centre, dtype=np.float32)

    def _kernel(self, some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.exp(_square_distances(some, others) * np.float32(-0.5 / self._width)))

    def _towards(self, examples: NDArray[np.float32]) -> Floats:
        """Mean nearness of each example to the reference."""
        parts = (examples[start : start + FEW] for start in range(0, len(examples), FEW))
        return np.concatenate([self._kernel(part, self._known).mean(axis=1, dtype=np.float64) for part in parts])

    def _statistics(self, examples: NDArray[Any], windows: Places) -> Floats:
        centred = self._centred(examples)
        within = np.array([_mean_of_pairs(self._kernel(centred[one], centred[one])) for one in windows])
        return np.asarray(within - 2 * self._towards(centred)[windows].mean(axis=1) + self._within)

    def _p_values(self, examples: NDArray[Any], windows: Places) -> Floats:
        centred = self._centred(examples)
        return np.array([self._permuted(centred[one]) for one in windows])

    def _permuted(self, window: NDArray[np.float32]) -> float:
        """How often so many that are drawn from the window and the reference are as far from the rest as the window is.

        The same draws each time.
        """
        pooled = np.concatenate([window, self._few])
        drawn = np.zeros((PERMUTATIONS + 1, len(pooled)), dtype=np.float32)
        drawn[:, : len(window)] = 1
        drawn[1:] = np.random.default_rng(0).permuted(drawn[1:], axis=1)
        statistics = _of_splits(self._kernel(pooled, pooled), drawn, len(window))
        return float((statistics >= statistics[0]).mean())


def _some_of(examples: NDArray[Any], most: int) -> NDArray[Any]:
    if len(examples) <= most:
        return examples
    return np.asarray(examples[np.random.default_rng(0).choice(len(examples), most, replace=False)])


def _of_splits(kernel: NDArray[np.float32], drawn: NDArray[np.float32], size: int) -> Floats:
    """MMD^2 of the drawn against the others, for each row of `drawn`, which has a 1 for each of `size` examples."""
    rest = len(kernel) - size
    towards = np.asarray(drawn @ kernel, dtype=np.float64)
    inside = np.einsum("pm,pm->p", towards, drawn)
    across = towards.sum(axis=1) - inside
    outside = kernel.sum(dtype=np.float64) - inside - 2 * across
    # an example is as near to itself as 1
    within = (inside - size) / (size * (size - 1)) + (outside - rest) / (rest * (rest - 1))
    return np.asarray(within - 2 * across / (size * rest))


def _square_distances(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = [np.einsum("md,md->m", each, each) for each in (some, others)]
    return np.asarray(np.maximum(squares[0][:, None] + squares[1] - 2 * (some @ others.T), 0))


def _mean_of_pairs(kernel: NDArray[np.float32]) -> float:
    """Of different examples."""
    return float(
        (kernel.sum(dtype=np.float64) - np.trace(kernel, dtype=np.float64)) / (len(kernel) * (len(kernel) - 1))
    )
