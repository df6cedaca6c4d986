"""A mean over seeds, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

LEAST: Final = 3
"""The bootstrap of two values is no more than the two: it holds the mean in about half of all cases."""


@dataclass(frozen=True, slots=True)
class Interval:
    """In the unit of the values."""

    mean: float
    low: float
    high: float
    """Not a number below `LEAST` values, as `low`."""
    spread: float
    """Standard deviation of the sample; not a number below two values."""
    n: int


def mean_interval(values: Sequence[float], confidence: float = 0.95, resamples: int = 9_999, seed: int = 0) -> Interval:
    """The bias-corrected and accelerated bootstrap interval (BCa) of a mean.

    Efron, "Better Bootstrap Confidence Intervals", JASA 82 (1987), by scipy. Few seeds make it too short: at five
    normal values it holds the mean in about 85 % of cases in place of 95 %. Raises ValueError where a value is not
    finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if not np.isfinite(sample).all():
        raise ValueError("a mean is of finite values; those that are not are told apart")
    if not sample.size:
        return Interval(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, float("nan"), float("nan"), float("nan"), 1)
    spread = float(sample.std(ddof=1))
    if sample.size < LEAST:
        return Interval(mean, float("nan"), float("nan"), spread, sample.size)
    if np.ptp(sample) == 0:
        return Interval(mean, mean, mean, 0.0, sample.size)
    from scipy.stats import bootstrap

    found = bootstrap(
        (sample,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), spread, sample.size)
