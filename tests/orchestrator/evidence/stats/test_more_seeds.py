"""How many seeds would decide it, against statsmodels and by simulation."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from orchestrator.evidence.stats.paired import MAX, paired, seeds_to_decide


def standardised(size: float, n: int = 8) -> np.ndarray:
    """Differences whose mean is `size` of their standard deviations."""
    values = np.random.default_rng(1).normal(size=n)
    return (values - values.mean()) / values.std(ddof=1) + size


@pytest.mark.parametrize("size", [0.3, 0.5, 0.8, 1.1, 30.0])
def test_the_least_number_with_the_power(size: float) -> None:
    found = seeds_to_decide(standardised(size))
    assert found is not None
    power = TTestPower()
    if found > 6:  # what a sign-flip test needs for 5 %
        assert power.power(size, found, 0.05) >= 0.8 > power.power(size, found - 1, 0.05)
    else:
        assert found == 6


def test_the_sign_flip_test_has_that_power() -> None:
    random, n = np.random.default_rng(2), seeds_to_decide(standardised(0.9))
    assert n is not None
    decided = np.mean([paired(random.normal(0.9, 1, n)).p <= 0.05 for _ in range(300)])
    assert decided == pytest.approx(0.8, abs=0.08)


def test_the_bound_is_what_it_is_told_from() -> None:
    assert seeds_to_decide(standardised(0.8)) == seeds_to_decide(standardised(1.3), 0.5)
    assert seeds_to_decide(standardised(0.5), 0.5) is None


def test_where_no_number_would_do() -> None:
    assert seeds_to_decide([0.3]) is None
    assert seeds_to_decide([-1.0, 1.0]) is None
    assert seeds_to_decide(standardised(1 / MAX)) is None


def test_without_spread_only_the_signs_count() -> None:
    assert seeds_to_decide([0.1, 0.1]) == 6
    assert seeds_to_decide([0.1, 0.1], alpha=0.01) == 8
