"""How many seeds would decide an open claim, within its scope."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Final

import numpy as np

from orchestrator.evidence.stats.design import Folds, Scope, component
from orchestrator.evidence.stats.scope import Stratum, combined
from orchestrator.evidence.stats.skew import cautious_skewness, needed, third_cumulant

MAX: Final = 10_000
"""A difference that needs more is nothing that seeds decide."""

PICTURES: Final = "no number of seeds decides it: more test pictures would, or `folds`, which test on every picture"
FOLDED: Final = "no number of seeds decides it: a further round of folds tests the same pictures; more pictures would"
TOO_CLOSE: Final = "no number of seeds within reason: the effect is too close to what would make no difference"

SEEN: Final = 0.4
"""Standard errors of the skewness that a sample of symmetric values shows against a finding, on average."""


@dataclass(frozen=True, slots=True)
class SeedsNeeded:
    """What it would take."""

    pairs: int | None
    """Values of all strata together, those that are there included; None where no number would do."""
    reason: str | None = None
    """Why none would."""


def seeds_needed(
    strata: Sequence[Stratum], bound: float, scope: Scope, *, power: float = 0.8, alpha: float = 0.05
) -> SeedsNeeded:
    """Values that tell the effect from `bound` with this power, if effect, spread and skewness stay as they are.

    By the noncentral t of the test that decides (Cohen 1988, section 2.3.5), of which more seeds make that part of the
    variance smaller which is theirs: redrawn splits and shared pictures leave a part that stays. At least so many as can
    give a p of alpha, 2 / 2^n. What is seen in few pairs is unsure, so is this number: it is a plan, not a promise. Needs
    two values of each stratum.
    """
    n = sum(stratum.values.size for stratum in strata)
    beyond = abs(sum(stratum.weight * float(stratum.values.mean()) for stratum in strata) - bound)
    least = ceil(log2(2 / alpha))
    if beyond == 0:
        return SeedsNeeded(None, TOO_CLOSE)
    plan = _Plan(strata, beyond, bound, scope)
    if plan.power(1.0, alpha) >= power:
        return SeedsNeeded(max(least, n))
    factor = 2.0
    while factor * n <= MAX and plan.power(factor, alpha) < power:
        factor *= 2
    if factor * n > MAX:
        seeds_alone = scope != "these pictures" and _Plan(strata, beyond, bound, "these pictures").power(MAX / n, alpha)
        return SeedsNeeded(None, _pictures_needed(strata) if seeds_alone >= power else TOO_CLOSE)
    low, high = factor / 2, factor
    while (high - low) * n > 1:
        middle = (low + high) / 2
        low, high = (low, middle) if plan.power(middle, alpha) >= power else (middle, high)
    return SeedsNeeded(max(least, ceil(high * n)))


def _pictures_needed(strata: Sequence[Stratum]) -> str:
    """What would decide it, where it is the pictures that are too few: folds already test on each of them."""
    return FOLDED if any(isinstance(stratum.design, Folds) for stratum in strata) else PICTURES


class _Plan:
    """The same study with more seeds."""

    def __init__(self, strata: Sequence[Stratum], beyond: float, bound: float, scope: Scope) -> None:
        self._strata, self._beyond, self._scope = strata, beyond, scope
        self._spreads = [stratum.spread for stratum in strata]
        effect = sum(stratum.weight * float(stratum.values.mean()) for stratum in strata)
        self._sign = np.sign(effect - bound)

    def power(self, factor: float, alpha: float) -> float:
        """factor: of the number of seeds, in each stratum."""
        from scipy.stats import nct
        from scipy.stats import t as student

        grown = [replace(spread, n=max(2, round(spread.n * factor))) for spread in self._spreads]
        parts = [
            component(spread, stratum.design, self._scope) for spread, stratum in zip(grown, self._strata, strict=True)
        ]
        error, df, _ = combined([stratum.weight for stratum in self._strata], parts)
        if error == 0:
            return 1.0
        shown = caution = usual = 0.0
        for stratum, spread in zip(self._strata, grown, strict=True):
            size = abs(stratum.weight) ** 3 * spread.square**1.5 / spread.n**2
            shown -= self._sign * stratum.weight**3 * third_cumulant(stratum.values) / spread.n**2
            caution += size * cautious_skewness(spread.n)
            usual += size * SEEN * float(np.sqrt(6 / spread.n))
        skewness = (max(shown, usual) + caution) / error**3
        t = needed(float(student.ppf(1 - alpha / 2, df)), -skewness)
        found = float(nct.sf(t, df, self._beyond / error))
        return 1.0 if np.isnan(found) else found  # an effect beyond what scipy's distribution can hold
