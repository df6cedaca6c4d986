"""Seeds and test pictures as two crossed random samples: what a contrast of arms owes to each.

Each seed is tested on the same pictures, as each reader of a diagnostic study reads the same cases. The contrast of seed
i on picture j is mu + S_i + P_j + (SP)_ij; its mean over n seeds and m pictures has the variance
s_S^2 / n + s_P^2 / m + s_SP^2 / (n m), which is (MS_S + max(MS_P - MS_SP, 0)) / (n m) by mean squares.

This is the two-modality form of Dorfman, Berbaum and Metz (1992) and of Obuchowski and Rockette (1995), "Hypothesis Testing
of Diagnostic Accuracy for Multiple Readers and Multiple Tests", written for the difference of the modalities: their
MS(T*R) is half of MS_S, and so with the others, so that F = t^2. Degrees of freedom are those of Hillis (2007), "A
Comparison of Denominator Degrees of Freedom Methods", Statistics in Medicine 26:
(MS_S + max(MS_P - MS_SP, 0))^2 / (MS_S^2 / (n - 1)).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Of a table of n seeds and m pictures, one value in each place."""

    n: int
    m: int
    seeds: float
    pictures: float
    both: float
    """Of what neither explains, their interaction and noise."""

    @classmethod
    def of(cls, contrast: NDArray[np.float64]) -> "MeanSquares":
        """contrast: (n, m), two of each at least."""
        n, m = contrast.shape
        by_seed, by_picture, mean = contrast.mean(axis=1), contrast.mean(axis=0), contrast.mean()
        left = contrast - by_seed[:, None] - by_picture + mean
        return cls(
            n=n,
            m=m,
            seeds=float(m * np.sum((by_seed - mean) ** 2) / (n - 1)),
            pictures=float(n * np.sum((by_picture - mean) ** 2) / (m - 1)),
            both=float(np.sum(left**2) / ((n - 1) * (m - 1))),
        )

    @property
    def of_pictures(self) -> float:
        """The part of the mean's variance that the choice of pictures brings, whatever the number of seeds."""
        return max(self.pictures - self.both, 0.0) / (self.n * self.m)

    @property
    def of_seeds(self) -> float:
        """The part that more seeds make smaller: what seeds alone would show."""
        return self.seeds / (self.n * self.m)
