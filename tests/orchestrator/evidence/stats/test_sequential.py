"""Bounds of several looks against integration of the normal distribution by scipy, and their level over all looks."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.evidence.stats.design import NoPictures
from orchestrator.evidence.stats.scope import Stratum, scoped_test
from orchestrator.evidence.stats.sequential import (
    Look,
    bounds,
    decided,
    next_look,
    planned_looks,
    sequential_p,
)


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
    assert sequential_p([Look(20, 0.03)], 20) == pytest.approx(0.03, rel=1e-4)
    assert sequential_p([Look(10, 0.02)], 20) == pytest.approx(0.04, rel=1e-4), "half of the error is spent by then"


def test_p_over_looks_is_the_alpha_that_it_crosses() -> None:
    sizes, most = [10, 14, 20], 20
    limits = bounds(sizes, most, 0.05)
    for place, limit in enumerate(limits):
        looks = [Look(size, 0.9) for size in sizes[:place]] + [Look(sizes[place], limit)]
        assert sequential_p(looks, most) == pytest.approx(0.05, rel=1e-3)
    once, then = Look(10, 0.001), Look(14, 0.9)
    assert sequential_p([once, then], most) == sequential_p([once], most), "what was found is not lost"
    assert sequential_p([once, Look(30, 0.0)], most) == sequential_p([once], most), "beyond the end nothing counts"


def test_the_plan_of_looks() -> None:
    assert planned_looks(40) == (8, 11, 15, 20, 26, 34, 40)
    for claims in (1, 6, 30):
        first, *_, last = planned_looks(40, claims)
        assert last == 40
        assert 2 / 2**first <= 0.05 / claims * first / 40
    assert (next_look(0, 40), next_look(8, 40), next_look(12, 40), next_look(40, 40)) == (8, 11, 15, None)
    assert planned_looks(5) == (5,)


def test_a_family_is_corrected_after_holm() -> None:
    assert decided([0.01, 0.02, 0.9]) == [True, True, False]
    assert decided([0.02, 0.03, 0.9]) == [False, False, False]


@pytest.mark.parametrize(
    ("looks", "message"), [([], "different"), ([Look(8, 0.1), Look(8, 0.2)], "different"), ([Look(8, 2)], "0 and 1")]
)
def test_what_is_no_series_of_looks(looks: list[Look], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sequential_p(looks, 40)


def test_the_level_holds_over_all_looks() -> None:
    """1,000 studies without effect, at most 40 seeds, to four standard errors."""
    random, sizes = np.random.default_rng(5), planned_looks(40)
    limits = bounds(sizes, 40, 0.05)
    found = 0
    for values in random.normal(size=(1_000, 40)):
        tests = (scoped_test([Stratum(values[:n], NoPictures())], 0, "these pictures") for n in sizes)
        found += any(test.p <= limit for test, limit in zip(tests, limits, strict=True))
    assert found <= 1_000 * 0.05 + 4 * (1_000 * 0.05 * 0.95) ** 0.5
