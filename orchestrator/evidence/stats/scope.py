"""Whether an effect differs from a bound, for these test pictures or for pictures like these.

A claim's contrast is computed seed by seed within a stratum: a pool of pictures, one content. The effect is the weighted
sum of the strata's means; so is its variance of theirs, each after its design, with Satterthwaite's degrees of freedom
(1946, "An Approximate Distribution of Estimates of Variance Components").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orchestrator.evidence.stats.design import Component, Design, Scope, Spread, component
from orchestrator.evidence.stats.paired import ROUNDING, sign_flip
from orchestrator.evidence.stats.skew import cautious_skewness, p_value, reaches, third_cumulant

MIN: Final = 3
"""Values below which there is no interval: two tell nothing of the shape of what they are drawn from."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """One pool of pictures, within which trials are compared seed by seed."""

    values: NDArray[np.float64]
    """(n,): the contrast of each seed, positive as claimed, averaged over blocks. Finite."""
    design: Design
    weight: float = 1.0
    """The effect is the sum of each stratum's mean by its weight: weights of a mean over strata add up to 1."""

    @property
    def spread(self) -> Spread:
        """Values that are equal but for their last bits have none."""
        equal = np.ptp(self.values) <= ROUNDING * np.abs(self.values).max()
        return Spread.of(np.zeros_like(self.values) if equal else self.values, self.design)


@dataclass(frozen=True, slots=True)
class ScopedTest:
    """What the strata show."""

    effect: float
    low: float
    high: float
    """The interval of the effect: 95 % unless asked otherwise; not a number below `MIN` seeds in a stratum, as `low`."""
    p: float
    """Two-sided, of an effect equal to the bound; 1 below two seeds in a stratum."""
    df: float
    n: int
    """Values of all strata together."""
    error: float
    """Standard error of the effect within the scope."""
    lasting: float
    """The part of its square that no number of seeds makes smaller."""
    method: str
    """Which test, for display."""
    withheld: str | None
    """Why no verdict may be given, whatever p is."""


def scoped_test(
    strata: Sequence[Stratum], bound: float, scope: Scope, *, confidence: float = 0.95, signs: bool = True
) -> ScopedTest:
    """Test the effect against the bound.

    t is that of Student, skewness allowed for (`stats.skew`). p is at least 2 / 2^n of n values: what is smaller than the
    chance that all signs agree rests on tails that nobody has seen. signs: without, it may be smaller. Where the differences
    from the bound are all of one size, or zero, they are as symmetric as their mean is zero, and the sign-flip test is
    exact. Raises ValueError without strata and where a value is not finite.
    """
    if not strata:
        raise ValueError("a test is of one stratum at least")
    if not all(np.isfinite(stratum.values).all() for stratum in strata):
        raise ValueError("values are finite; pairs of which one side has no value are told apart")
    nan, n = float("nan"), sum(stratum.values.size for stratum in strata)
    least = min(stratum.values.size for stratum in strata)
    effect = sum(stratum.weight * float(stratum.values.mean()) for stratum in strata) if least else nan
    if least < 2:
        return ScopedTest(effect, nan, nan, 1.0, nan, n, nan, nan, "none: there are no two pairs", None)
    weights = [stratum.weight for stratum in strata]
    parts = [component(stratum.spread, stratum.design, scope) for stratum in strata]
    error, df, lasting = combined(weights, parts)
    low, high = _interval(strata, effect, error, df, confidence) if least >= MIN else (nan, nan)
    p, method = _p(strata, effect, bound, error, df, scope)
    p = max(p, 2.0 / 2.0**n) if signs else p
    return ScopedTest(
        *(effect, low, high, p, df, n, error, lasting),
        method=method or "; ".join(dict.fromkeys(part.method for part in parts)),
        withheld=next((part.withheld for part in parts if part.withheld), None),
    )


def combined(weights: Sequence[float], parts: Sequence[Component]) -> tuple[float, float, float]:
    """Standard error of the weighted sum, degrees of freedom, and what of its square no number of seeds makes smaller."""
    squared = np.square(np.asarray(weights, dtype=np.float64))
    shares = squared * [part.variance for part in parts]
    dfs = np.array([part.df for part in parts], dtype=np.float64)
    df = float(shares.sum() ** 2 / np.sum(shares**2 / dfs)) if shares.sum() > 0 else float(dfs.min())
    return float(np.sqrt(shares.sum())), df, float(squared @ [part.lasting for part in parts])


def _skewness(strata: Sequence[Stratum], error: float) -> tuple[float, float]:
    """Of the effect: what the samples show, and by how much it may be worse. What all seeds share is taken as normal."""
    third = caution = 0.0
    for stratum in strata:
        n, weight = stratum.values.size, stratum.weight
        third += weight**3 * third_cumulant(stratum.values) / n**2
        caution += abs(weight) ** 3 * cautious_skewness(n) * float(stratum.values.std(ddof=1)) ** 3 / n**2
    return third / error**3, caution / error**3


def _interval(
    strata: Sequence[Stratum], effect: float, error: float, df: float, confidence: float
) -> tuple[float, float]:
    if error == 0:
        return effect, effect
    below, above = reaches(df, _skewness(strata, error)[0], confidence)
    return effect - below * error, effect + above * error


def _p(
    strata: Sequence[Stratum], effect: float, bound: float, error: float, df: float, scope: Scope
) -> tuple[float, str | None]:
    """And the test, where it is another than that of the strata."""
    beyond, n = effect - bound, sum(stratum.values.size for stratum in strata)
    if abs(beyond) <= ROUNDING * max(abs(bound), abs(effect)):
        return 1.0, None
    if len(strata) == 1 and (error == 0 or scope == "these pictures"):
        flipped = strata[0].weight * strata[0].values - bound
        flipped[np.abs(flipped) <= ROUNDING * np.abs(flipped).max()] = 0.0
        sizes = np.abs(flipped[flipped != 0])
        if np.ptp(sizes) <= ROUNDING * sizes.max():
            return sign_flip(flipped)
    if error == 0:
        return 2.0 / 2.0**n, "all signs agree"
    return p_value(beyond / error, df, *_skewness(strata, error)), None
