"""Paired tests against hand values, brute force and scipy."""

from itertools import product
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from orchestrator.evidence.stats.paired import EXACT, Alternative, paired

DIFFERENCES = st.lists(
    st.floats(-10, 10, allow_subnormal=False).map(lambda value: round(value, 3)), min_size=2, max_size=9
)


def by_hand(values: NDArray[np.float64], alternative: Alternative) -> float:
    """Every pattern of signs, one by one."""
    seen = values.mean()
    means = np.array([np.mean(np.array(signs) * values) for signs in product((-1, 1), repeat=len(values))])
    greater, less = np.mean(means >= seen - 1e-9), np.mean(means <= seen + 1e-9)
    return float({"greater": greater, "less": less, "two-sided": min(1.0, 2 * min(greater, less))}[alternative])


@given(DIFFERENCES, st.sampled_from(["two-sided", "greater", "less"]))
@settings(max_examples=60, deadline=None)
def test_the_exact_test_looks_at_all_signs(differences: list[float], alternative: Alternative) -> None:
    found = paired(differences, alternative=alternative)
    assert found.p == pytest.approx(by_hand(np.array(differences), alternative), abs=1e-12)
    assert found.test == "sign-flip, all patterns"


@given(DIFFERENCES.filter(lambda values: np.ptp(values) > 0), st.sampled_from(["two-sided", "greater", "less"]))
@settings(max_examples=60, deadline=None)
def test_student_is_scipy_s(differences: list[float], alternative: Alternative) -> None:
    found, right = paired(differences, alternative=alternative, method="t"), stats.ttest_1samp(differences, 0)
    assert found.p == pytest.approx(stats.ttest_1samp(differences, 0, alternative=alternative).pvalue, abs=1e-9)
    interval = right.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-6)
    assert found.effect == pytest.approx(np.mean(differences) / np.std(differences, ddof=1))


def test_of_many_pairs_patterns_are_drawn() -> None:
    random = np.random.default_rng(3)
    differences = random.normal(0.4, 1, EXACT + 8)
    found = paired(differences)
    signs = np.random.default_rng(4).choice([-1, 1], size=(400_000, len(differences)))
    means = signs @ differences / len(differences)
    right = np.mean(np.abs(means) >= abs(differences.mean()))
    error = np.sqrt(right * (1 - right) * (1 / 60_000 + 1 / 400_000))
    assert abs(found.p - right) < 4 * error + 1e-4
    assert paired(differences) == found, "the same data give the same figure"
    one_sided = paired(differences, alternative="greater").p, paired(-differences, alternative="less").p
    assert one_sided == pytest.approx((right / 2, right / 2), abs=4 * error + 1e-4)


def test_hand_values() -> None:
    found = paired([1, 2, 3])
    assert (found.n, found.difference, found.p, found.effect) == (3, 2, 0.25, 2)
    assert found.low == pytest.approx(2 - 4.302653 / np.sqrt(3), abs=1e-5)
    assert paired([1] * 6).p == 2 / 2**6
    assert paired([1] * 6).effect == np.inf


@pytest.mark.parametrize(("differences", "p"), [([0.0, 0.0, 0.0], 1.0), ([0.1] * 3, 0.25), ([-0.1] * 3, 0.25)])
@pytest.mark.parametrize("method", ["sign-flip", "t"])
def test_equal_differences(differences: list[float], p: float, method: Literal["sign-flip", "t"]) -> None:
    found = paired(differences, method=method)
    assert (found.p, found.low, found.high) == (p, found.difference, found.difference)


def test_differences_that_are_equal_but_for_rounding_have_no_spread_to_measure_with() -> None:
    assert paired([0.9359 - 0.1003, 0.9415 - 0.1059], method="t").p == 0.5  # 0.8356 twice


@pytest.mark.parametrize("differences", [[], [0.3]])
def test_too_little_to_test(differences: list[float]) -> None:
    found = paired(differences)
    assert (found.n, found.p) == (len(differences), 1.0)
    assert np.isnan([found.low, found.high, found.effect]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        paired([0.1, value])
