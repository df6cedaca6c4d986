"""How right a net is about pictures without labels, as far as how sure it is of them tells."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DifferenceOfConfidences:
    """The accuracy falls by as much as the mean of the largest probability does.

    Guillory et al., "Predicting with Confidence on Unseen Distributions" (ICCV 2021), section 3. On small images under
    corruptions it comes nearer than average thresholded confidence (Garg et al. 2022, arXiv:2201.04234), and far from the
    truth where the shift is large: docs/monitor.md has the figures of both.
    """

    accuracy: float
    """Of the reference, 0 to 1."""
    confidence: float
    """Mean of its largest probabilities."""

    @classmethod
    def fitted(cls, probabilities: NDArray[np.float64], correct: NDArray[np.bool_]) -> Self:
        """probabilities: (n, classes) of the reference, one example at least. correct: (n,), whether it is right."""
        return cls(float(correct.mean()), _confidence(probabilities))

    def estimate(self, probabilities: NDArray[np.float64]) -> float:
        """Return the accuracy on other pictures, 0 to 1. probabilities: (n, classes), one example at least."""
        return min(1.0, max(0.0, self.accuracy + _confidence(probabilities) - self.confidence))


def _confidence(probabilities: NDArray[np.float64]) -> float:
    return float(probabilities.max(axis=1).mean())
