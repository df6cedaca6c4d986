"""Bootstrap intervals, against a bootstrap written by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from orchestrator.evidence.stats.leaderboard import mean_interval


def bca_by_hand(values: NDArray[np.float64], resamples: int, seed: int) -> tuple[float, float]:
    """Efron 1987, equations 2.3 and 6.6."""
    random = np.random.default_rng(seed)
    means = random.choice(values, size=(resamples, len(values))).mean(axis=1)
    bias = norm.ppf((np.mean(means < values.mean()) + np.mean(means <= values.mean())) / 2)
    left_out = np.array([np.delete(values, place).mean() for place in range(len(values))])
    away = left_out.mean() - left_out
    acceleration = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    levels = []
    for level in (0.025, 0.975):
        z = bias + norm.ppf(level)
        levels.append(norm.cdf(bias + z / (1 - acceleration * z)))
    low, high = np.quantile(means, levels)
    return float(low), float(high)


@pytest.mark.parametrize("seed", range(4))
def test_bca(seed: int) -> None:
    values = np.random.default_rng(seed).gamma(2, 1, 12)
    found, (low, high) = mean_interval(values, resamples=40_000), bca_by_hand(values, 200_000, seed + 50)
    assert (found.mean, found.spread, found.n) == pytest.approx((values.mean(), values.std(ddof=1), 12))
    width = high - low
    assert found.low == pytest.approx(low, abs=0.02 * width)
    assert found.high == pytest.approx(high, abs=0.02 * width)


def test_few_or_equal_values() -> None:
    none, one, equal = mean_interval([]), mean_interval([0.5]), mean_interval([0.7, 0.7, 0.7])
    assert (none.n, one.n, one.mean) == (0, 1, 0.5)
    assert np.isnan([none.mean, one.low, one.high, one.spread]).all()
    assert (equal.low, equal.high) == (equal.mean, equal.mean) == pytest.approx((0.7, 0.7))
    assert equal.spread == 0.0
    two = mean_interval([0.4, 0.6])
    assert (two.mean, two.spread) == pytest.approx((0.5, 0.02**0.5))
    assert np.isnan([two.low, two.high]).all(), "a bootstrap of two values knows nothing but the two"


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval([0.5, float("nan")])


def test_the_docstring_s_share_of_five_normal_values() -> None:
    random, held = np.random.default_rng(0), 0
    for _ in range(300):
        found = mean_interval(random.normal(0, 1, 5), resamples=500)
        held += found.low <= 0 <= found.high
    assert 0.78 < held / 300 < 0.92
