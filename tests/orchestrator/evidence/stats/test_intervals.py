"""Intervals of a mean over seeds: Student's where values are symmetric, and what they hold where they are not."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.evidence.stats.leaderboard import mean_interval


def test_of_symmetric_values_it_is_student_s() -> None:
    values = np.array([0.91, 0.92, 0.93, 0.94, 0.95])
    found, right = mean_interval(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.mean, found.spread, found.n) == pytest.approx((values.mean(), values.std(ddof=1), 5))
    assert (found.low, found.high) == pytest.approx((right.low, right.high), abs=1e-6)


def test_it_reaches_further_where_skewed_values_come_from() -> None:
    """Of values with a long tail above, a mean that is too low is the usual mistake."""
    values = np.array([0.0, 0.1, 0.1, 0.2, 0.2, 0.9])
    found, right = mean_interval(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.low == pytest.approx(right.low, abs=1e-6)
    assert found.high > right.high + 0.1


def test_few_or_equal_values() -> None:
    none, one, equal = mean_interval([]), mean_interval([0.5]), mean_interval([0.7, 0.7, 0.7])
    assert (none.n, one.n, one.mean) == (0, 1, 0.5)
    assert np.isnan([none.mean, one.low, one.high, one.spread]).all()
    assert (equal.low, equal.high) == (equal.mean, equal.mean) == pytest.approx((0.7, 0.7))
    assert equal.spread == 0.0
    two = mean_interval([0.4, 0.6])
    assert (two.mean, two.spread) == pytest.approx((0.5, 0.02**0.5))
    assert np.isnan([two.low, two.high]).all(), "two values tell nothing of the shape of what they are drawn from"


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval([0.5, float("nan")])


@pytest.mark.parametrize(("n", "least"), [(3, 0.92), (5, 0.93), (10, 0.94), (20, 0.95)])
@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_it_holds_the_mean(n: int, kind: str, least: float) -> None:
    """In 2,000 samples, to four standard errors."""
    random = np.random.default_rng(n)
    drawn = random.normal(size=(2_000, n)) if kind == "normal" else random.exponential(size=(2_000, n)) - 1
    intervals = [mean_interval(values) for values in drawn]
    held = np.mean([found.low <= 0 <= found.high for found in intervals])
    assert least - 4 * (0.05 * 0.95 / 2_000) ** 0.5 <= held <= 0.97 + 4 * (0.03 * 0.97 / 2_000) ** 0.5
