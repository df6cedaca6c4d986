"""Detectors of drift: of a net's outputs, its features, its confidence, and of labels where they come."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.measurements._detector import Detector, Floats, Places
from trainables.measurements._mmd import Mmd

BATCH: Final = 1_000_000
"""Examples of windows that are sorted together."""


class Bbsd(Detector):
    """Kolmogorov and Smirnov's test of each output, Bonferroni's correction over them. Examples: probabilities (n, classes).

    Lipton, Wang and Smola, "Detecting and Correcting for Label Shift with Black Box Predictors" (ICML 2018); Rabanser,
    Guennemann and Lipton, "Failing Loudly" (NeurIPS 2019). All outputs have the same sizes, so that the smallest p is that
    of the largest distance, which is the statistic.
    """

    name = "bbsd"

    def __init__(self, reference: NDArray[Any]) -> None:
        super().__init__(reference)
        self._sorted = np.sort(self._outputs(reference), axis=0)

    def _outputs(self, examples: NDArray[Any]) -> NDArray[Any]:
        return examples

    def _statistics(self, examples: NDArray[Any], windows: Places) -> Floats:
        outputs = self._outputs(examples)
        largest = np.zeros(len(windows))
        for known, output in zip(self._sorted.T, outputs.T, strict=True):
            below, upto = (np.searchsorted(known, output, side=side).astype(np.int32) for side in ("left", "right"))
            for part in _batches(windows):
                found = _distances(below[windows[part]], upto[windows[part]], len(known))
                largest[part] = np.maximum(largest[part], found)
        return largest

    def _p_values(self, examples: NDArray[Any], windows: Places) -> Floats:
        from scipy.stats import kstwo  # slow to import

        known, size = len(self.reference), windows.shape[1]
        each = kstwo.sf(self._statistics(examples, windows), np.round(known * size / (known + size)))
        return np.asarray(np.minimum(1.0, each * self._sorted.shape[1]))


class Confidence(Bbsd):
    """Kolmogorov and Smirnov's test of the largest probability. Examples: probabilities (n, classes)."""

    name = "confidence"

    def _outputs(self, examples: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.max(examples, axis=1, keepdims=True))


def _batches(windows: Places) -> Iterator[slice]:
    many = max(1, BATCH // windows.shape[1])
    return (slice(start, start + many) for start in range(0, len(windows), many))


def _distances(below: NDArray[np.int32], upto: NDArray[np.int32], known: int) -> Floats:
    """Largest distance between the distribution of each window and the reference's: (windows,).

    below, upto: (windows, size), how many of the reference are smaller than an example, and how many not larger. Within a
    step of the window's the reference's only rises, so that the distance is largest at its ends.
    """
    size = below.shape[1]
    steps = np.arange(size + 1) / size
    under = (np.sort(below, axis=1) / known - steps[:-1]).max(axis=1)
    over = (steps[1:] - np.sort(upto, axis=1) / known).max(axis=1)
    return np.asarray(np.maximum(under, over), dtype=np.float64)


class Labels(Detector):
    """G test of how often each class comes, where the true classes are known. Examples: indices of classes (n,).

    Sokal and Rohlf, "Biometry": twice the log-likelihood ratio of the two samples having their own rates or the same.
    """

    name = "labels"

    def __init__(self, reference: NDArray[Any]) -> None:
        super().__init__(reference)
        self._counts = np.bincount(_from_zero(reference))

    def _both(self, examples: NDArray[Any], windows: Places) -> tuple[Floats, Floats]:
        """Counts of the classes, (windows, classes): in the windows, and in the reference the same for each."""
        classes = max(len(self._counts), int(_from_zero(examples).max(initial=-1)) + 1)
        cells = examples[windows] + classes * np.arange(len(windows))[:, None]
        counts = np.bincount(cells.ravel(), minlength=len(windows) * classes).reshape(-1, classes)
        known = np.zeros(classes)
        known[: len(self._counts)] = self._counts
        return counts.astype(np.float64), np.broadcast_to(known, counts.shape)

    def _statistics(self, examples: NDArray[Any], windows: Places) -> Floats:
        from scipy.special import xlogy  # slow to import

        counts, known = self._both(examples, windows)
        size, total = windows.shape[1], windows.shape[1] + len(self.reference)
        terms = xlogy(counts, counts / size) + xlogy(known, known / len(self.reference))
        together = counts + known
        return np.asarray(2 * (terms - xlogy(together, together / total)).sum(axis=1))

    def _p_values(self, examples: NDArray[Any], windows: Places) -> Floats:
        from scipy.special import chdtrc  # slow to import

        counts, known = self._both(examples, windows)
        freedom = (counts + known > 0).sum(axis=1) - 1
        statistics = self._statistics(examples, windows)
        return np.where(freedom > 0, chdtrc(np.maximum(freedom, 1), statistics), 1.0)


def _from_zero(labels: NDArray[Any]) -> NDArray[Any]:
    if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise ValueError("labels are indices of classes, from 0")
    return labels


DETECTORS: Final[dict[str, type[Detector]]] = {each.name: each for each in (Bbsd, Mmd, Confidence, Labels)}
