"""Bounds of several looks against integration of the normal distribution by scipy, and their level over all looks."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.evidence.stats.design import NoPictures
from orchestrator.evidence.stats.scope import Stratum, scoped_test
from orchestrator.evidence.stats.sequential import bounds, sequential_p
from orchestrator.grid.looks import LookPlan


@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_what_is_spent_at_each_look_by_the_multivariate_normal(alpha: float) -> None:
    """The chance of having crossed some bound by then is alpha n / N."""
    sizes, most = [10, 20, 40], 40
    z = stats.norm.isf(np.array(bounds(sizes, most, alpha)) / 2)
    times = np.array(sizes) / most
    correlation = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    for looks in (1, 2, 3):
        inside = stats.multivariate_normal(cov=correlation[:looks, :looks], maxpts=2_000_000, abseps=1e-9).cdf(
            z[:looks], lower_limit=-z[:looks]
        )
        assert 1 - inside == pytest.approx(alpha * times[looks - 1], abs=1e-6)


def test_one_look_at_the_end_is_no_look_before() -> None:
    assert bounds([20], 20, 0.05) == pytest.approx([0.05], abs=1e-9)
    assert sequential_p([0.03], [20], 20) == pytest.approx(0.03, rel=1e-6)
    assert sequential_p([0.02], [10, 20], 20) == pytest.approx(0.04, rel=1e-6), "half of the error is spent by then"


def test_p_over_looks_is_the_alpha_that_it_crosses() -> None:
    sizes, most = [10, 14, 20], 20
    limits = bounds(sizes, most, 0.05)
    for place, limit in enumerate(limits):
        assert sequential_p([0.9] * place + [limit], sizes, most) == pytest.approx(0.05, rel=1e-6)
    assert sequential_p([0.001, 0.9], sizes, most) == sequential_p([0.001], sizes, most), "what was found is not lost"


@pytest.mark.parametrize("alpha", [1e-7, 0.0023, 0.31, 0.9])
def test_a_level_between_those_that_are_computed(alpha: float) -> None:
    sizes = LookPlan.until(100, 6).sizes
    for place, limit in enumerate(bounds(sizes, 100, alpha)):
        assert sequential_p([1.0] * place + [limit], sizes, 100) == pytest.approx(alpha, rel=1e-6)


@pytest.mark.parametrize(
    ("p_values", "sizes", "message"),
    [
        ([], [8, 11], "different"),
        ([0.1, 0.2], [8, 8], "different"),
        ([0.1, 0.2], [8], "different"),
        ([0.1], [8, 41], "different"),
        ([2.0], [8], "0 and 1"),
    ],
)
def test_what_is_no_series_of_looks(p_values: list[float], sizes: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sequential_p(p_values, sizes, 40)


def test_the_level_holds_over_all_looks() -> None:
    """1,000 studies without effect, at most 40 seeds, to four standard errors."""
    random, sizes = np.random.default_rng(5), LookPlan.until(40, 1).sizes
    limits = bounds(sizes, 40, 0.05)
    found = 0
    for values in random.normal(size=(1_000, 40)):
        tests = (scoped_test([Stratum(values[:n], NoPictures())], 0, "these pictures") for n in sizes)
        found += any(test.p <= limit for test, limit in zip(tests, limits, strict=True))
    assert found <= 1_000 * 0.05 + 4 * (1_000 * 0.05 * 0.95) ** 0.5
