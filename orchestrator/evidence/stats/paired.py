"""Two arms, paired: the same seeds and the same level of every other axis."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Several tests at once.


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """p-values corrected so that the chance of any false alarm among them stays below the level.

    In the order given, each at most 1. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
    Journal of Statistics 6 (1979). Raises ValueError where one is not within 0 and 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("a p-value lies within 0 and 1")
    # statsmodels' `multipletests` collects all garbage at each call: 0.1 s, and 2 s more to import
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(values.size, 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected


# Differences that are all of one size: who is first, who diverged.

EXACT: Final = 16
"""Up to so many pairs all patterns of signs are looked at, 65,536."""
DRAWN: Final = 60_000
"""Patterns that are drawn of more pairs."""
BATCH: Final = 4_000
"""So many of them at once."""

DIGITS: Final = 12
ROUNDING: Final = 10.0**-DIGITS
"""Of the largest difference: what is below is not a spread."""


class SignFlip(NamedTuple):
    """What the signs of paired differences tell."""

    p: float
    """Two-sided, of a mean of zero; at least 2 / 2^n of n pairs."""
    test: str
    """For display."""


def sign_flip(differences: NDArray[np.float64], seed: int = 0) -> SignFlip:
    """Test whether the mean of paired differences is zero.

    Assumes that, were the arms alike, each difference could as well have had the other sign (Fisher 1935, section 21; Pitman
    1937). By scipy: exact up to `EXACT` pairs, by a sample of patterns above.
    """
    if differences.size > EXACT:
        return SignFlip(_drawn(differences, np.random.default_rng(seed)), f"sign-flip, {DRAWN:,} drawn patterns")
    from scipy.stats import permutation_test

    largest = np.abs(differences).max()

    def mean(values: NDArray[np.float64], axis: int) -> Any:
        # scipy takes two means for equal by the size of the one seen, which may be far below what rounding does to both
        return np.round(values.mean(axis=axis), DIGITS)

    found = permutation_test(
        (differences / largest if largest > 0 else differences,),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**EXACT,  # no fewer than there are: all are looked at
        batch=4096,
    )
    return SignFlip(min(1.0, float(found.pvalue)), "sign-flip, all patterns")


def _drawn(values: NDArray[np.float64], random: np.random.Generator) -> float:
    """The share of drawn patterns, that of the data among them, whose sum is at least as extreme (Phipson and Smyth 2010).

    scipy's `permutation_test` gives the same, in ten times the time where there are hundreds of pairs.
    """
    seen, reach = values.sum(), ROUNDING * np.abs(values).sum()
    greater = less = 1
    for _ in range(DRAWN // BATCH):
        signs = random.integers(0, 2, (BATCH, values.size), dtype=np.int8) * 2.0 - 1.0
        sums = signs @ values
        greater += int((sums >= seen - reach).sum())
        less += int((sums <= seen + reach).sum())
    return min(1.0, 2 * min(greater, less) / (DRAWN + 1))
