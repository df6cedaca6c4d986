"""How many seeds would decide it."""

from collections.abc import Sequence
from math import ceil, log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST: Final = 10_000
"""A difference that needs more is nothing that seeds decide."""


def seeds_to_decide(
    differences: Sequence[float] | NDArray[np.float64],
    bound: float = 0.0,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
) -> int | None:
    """Pairs, those that are there included, that tell the mean from `bound` with this power, if mean and spread stay.

    Student's two-sided test (Cohen 1988, section 2.3.5), by statsmodels: the sign-flip test needs as many, for it is as
    efficient on normal differences; and so many as can give it a p-value of `alpha`. None where no number within `MOST`
    would, or there are no two pairs to tell the spread from.

    What is seen in few pairs is unsure, so is this number: it is a plan, not a promise.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.size < 2:
        return None
    distance = abs(float(values.mean()) - bound)
    if distance == 0:
        return None
    least = ceil(log2(2 / alpha))  # of n signs the two most extreme patterns have the share 2 / 2^n
    spread = float(values.std(ddof=1)) if np.ptp(values) > 0 else 0.0
    if spread == 0:
        return least
    size, n = distance / spread, 2
    while n <= MOST and _power(size, n, alpha) < power:
        n *= 2
    if n > MOST:
        return None
    low, high = n // 2, n
    while high - low > 1:  # statsmodels' own root finder fails on large effects
        middle = (low + high) // 2
        low, high = (low, middle) if _power(size, middle, alpha) >= power else (middle, high)
    return max(high, least)


def _power(size: float, n: int, alpha: float) -> float:
    from statsmodels.stats.power import TTestPower

    found = float(TTestPower().power(size, n, alpha))
    return 1.0 if np.isnan(found) else found  # an effect beyond what scipy's distribution can hold
