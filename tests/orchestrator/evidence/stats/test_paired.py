"""The sign-flip test against brute force and hand values."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from orchestrator.evidence.stats.paired import EXACT, sign_flip

DIFFERENCES = st.lists(
    st.floats(-10, 10, allow_subnormal=False).map(lambda value: round(value, 3)), min_size=2, max_size=9
)


def by_hand(values: NDArray[np.float64]) -> float:
    """Every pattern of signs, one by one."""
    seen = values.mean()
    means = np.array([np.mean(np.array(signs) * values) for signs in product((-1, 1), repeat=len(values))])
    greater, less = np.mean(means >= seen - 1e-9), np.mean(means <= seen + 1e-9)
    return float(min(1.0, 2 * min(greater, less)))


@given(DIFFERENCES)
@example([-1.125, -1.625, -1.625, -9.5, 1.875, 0.812, 1.875, 9.375])  # other signs give the same mean, but for rounding
@settings(max_examples=60, deadline=None)
def test_the_exact_test_looks_at_all_signs(differences: list[float]) -> None:
    found = sign_flip(np.array(differences))
    assert found.p == pytest.approx(by_hand(np.array(differences)), abs=1e-12)
    assert found.test == "sign-flip, all patterns"


def test_of_many_pairs_patterns_are_drawn() -> None:
    random = np.random.default_rng(3)
    differences = random.normal(0.4, 1, EXACT + 8)
    found = sign_flip(differences)
    signs = np.random.default_rng(4).choice([-1, 1], size=(400_000, len(differences)))
    means = signs @ differences / len(differences)
    right = np.mean(np.abs(means) >= abs(differences.mean()))
    error = np.sqrt(right * (1 - right) * (1 / 60_000 + 1 / 400_000))
    assert abs(found.p - right) < 4 * error + 1e-4
    assert sign_flip(differences) == found, "the same data give the same figure"


@pytest.mark.parametrize(
    ("differences", "p"),
    [([1, 2, 3], 0.25), ([1] * 6, 2 / 2**6), ([0, 0, 0], 1), ([0.1] * 3, 0.25), ([-0.1] * 3, 0.25)],
)
def test_hand_values(differences: list[float], p: float) -> None:
    assert sign_flip(np.array(differences, dtype=np.float64)).p == p
