"""How many of a stream's examples tell something of their own: frames that follow each other are not independent."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """How much each of a stream is like the one before."""

    lag_1: float
    """Correlation of neighbours, -1 to 1. A stream of one number repeated has 1."""
    n: int
    effective_n: float
    """How many independent examples tell as much of the mean: n (1 - r) / (1 + r) if it is autoregressive. At most n."""


def autocorrelation(stream: NDArray[Any]) -> Autocorrelation:
    """Measure a stream in the order in which it came. stream: (n,) numbers, such as confidences, or (n, d), such as
    probabilities of classes, whose autocovariances and variances are added up.

    Box, Jenkins and Reinsel, "Time Series Analysis", section 2.1 (the autocovariance is divided by n). Raises ValueError
    below two numbers, and where one is not finite.
    """
    numbers = np.asarray(stream, dtype=np.float64)
    if numbers.ndim not in (1, 2) or len(numbers) < 2 or not np.isfinite(numbers).all():
        raise ValueError("an autocorrelation is of two numbers at least, all of them finite")
    n, apart = len(numbers), numbers - numbers.mean(axis=0)
    variance = float(np.vdot(apart, apart))
    # the mean of equal numbers may be off by a rounding
    same = variance == 0 or not np.ptp(numbers, axis=0).any()
    lag_1 = 1.0 if same else float(np.vdot(apart[1:], apart[:-1])) / variance
    return Autocorrelation(lag_1, n, min(n, max(1.0, n * (1 - lag_1) / (1 + lag_1))))
