"""Two arms, paired: the same seeds and the same level of every other axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

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


# The mean of paired differences.

EXACT: Final = 16
"""Up to so many pairs all patterns of signs are looked at, 65,536."""
DRAWN: Final = 60_000
"""Patterns that are drawn of more pairs."""
BATCH: Final = 4_000
"""So many of them at once."""

ROUNDING: Final = 1e-12
"""Of the largest difference: what is below is not a spread."""

Alternative = Literal["two-sided", "greater", "less"]
Method = Literal["sign-flip", "t"]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """What paired differences show, in their unit."""

    n: int
    difference: float
    """The mean."""
    low: float
    high: float
    """Student's interval of the mean: 95 % unless asked otherwise; not a number below two pairs, as `low`."""
    p: float
    """Of a mean of zero; 1 below two pairs."""
    test: str
    """Which one, for display."""
    effect: float
    """Mean over standard deviation (Cohen 1988, d_z, section 2.3.5): not a number below two pairs."""


def paired(
    differences: Sequence[float] | NDArray[np.float64],
    *,
    alternative: Alternative = "two-sided",
    method: Method = "sign-flip",
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedTest:
    """Test whether the mean of paired differences is zero.

    `sign-flip` assumes nothing but that, were the arms alike, each difference could as well have had the other sign
    (Fisher 1935, section 21; Pitman 1937), by scipy: exact up to `EXACT` pairs, by a sample of patterns above. Its
    p-value is at least 2 / 2^n, so that below six pairs nothing is significant at 5 %. `t` is Student's, which
    assumes normal differences; where all are equal, it is `sign-flip` too. Raises ValueError where a difference is not
    finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("differences are finite; pairs of which one side has no value are told apart")
    n, nan = values.size, float("nan")
    if n < 2:
        return PairedTest(n, float(values.mean()) if n else nan, nan, nan, 1.0, "none: there are no two pairs", nan)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if np.ptp(values) <= ROUNDING * np.abs(values).max():  # equal but for their last bits
        spread = 0.0
    low, high = _student(mean, spread, n, confidence)
    # equal differences, which are common where scores come in steps, have no spread that t could be measured in
    student = method == "t" and spread > 0
    p, test = _student_p(mean, spread, n, alternative) if student else _flipped(values, alternative, seed)
    return PairedTest(n, mean, low, high, p, test, _effect(mean, spread))


def _student(mean: float, spread: float, n: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import t

    reach = float(t.ppf((1 + confidence) / 2, n - 1) * spread / np.sqrt(n))
    return mean - reach, mean + reach


def _student_p(mean: float, spread: float, n: int, alternative: Alternative) -> tuple[float, str]:
    from scipy.stats import t

    test = "Student's t"
    statistic = mean / (spread / np.sqrt(n))
    match alternative:
        case "two-sided":
            return float(2 * t.sf(abs(statistic), n - 1)), test
        case "greater":
            return float(t.sf(statistic, n - 1)), test
        case "less":
            return float(t.cdf(statistic, n - 1)), test


def _flipped(values: NDArray[np.float64], alternative: Alternative, seed: int) -> tuple[float, str]:
    if values.size > EXACT:
        return _drawn(values, alternative, np.random.default_rng(seed)), f"sign-flip, {DRAWN:,} drawn patterns"
    from scipy.stats import permutation_test

    found = permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**EXACT,  # no fewer than there are: all are looked at
        batch=4096,
        alternative=alternative,
    )
    return min(1.0, float(found.pvalue)), "sign-flip, all patterns"


def _drawn(values: NDArray[np.float64], alternative: Alternative, random: np.random.Generator) -> float:
    """The share of drawn patterns, that of the data among them, whose sum is at least as extreme (Phipson and Smyth 2010).

    scipy's `permutation_test` gives the same, in ten times the time where there are hundreds of pairs.
    """
    seen, reach = values.sum(), 1e-12 * np.abs(values).sum()
    greater = less = 1
    for _ in range(DRAWN // BATCH):
        signs = random.integers(0, 2, (BATCH, values.size), dtype=np.int8) * 2.0 - 1.0
        sums = signs @ values
        greater += int((sums >= seen - reach).sum())
        less += int((sums <= seen + reach).sum())
    counted = {"greater": greater, "less": less, "two-sided": 2 * min(greater, less)}[alternative]
    return min(1.0, counted / (DRAWN + 1))


def _effect(mean: float, spread: float) -> float:
    if spread > 0:
        return mean / spread
    return 0.0 if mean == 0 else float(np.copysign(np.inf, mean))
