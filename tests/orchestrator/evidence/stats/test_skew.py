"""Hall's transformation against its definition, and the level of the test that it makes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orchestrator.evidence.stats.design import NoPictures
from orchestrator.evidence.stats.scope import Stratum, scoped_test
from orchestrator.evidence.stats.skew import needed, third_cumulant, transformed


def floats(least: float, greatest: float) -> st.SearchStrategy[float]:
    return st.floats(least, greatest, allow_subnormal=False)  # which are zero where torch has been set so


@given(floats(-20, 20), floats(-3, 3))
def test_the_inverse_is_the_inverse(t: float, skewness: float) -> None:
    # around its inflexion the cubic is flat, and its inverse loses two thirds of the digits
    assert needed(transformed(t, skewness), skewness) == pytest.approx(t, abs=1e-3)


@given(floats(-20, 20), floats(0.01, 5), floats(-3, 3))
def test_it_grows_with_t(t: float, more: float, skewness: float) -> None:
    assert transformed(t + more, skewness) >= transformed(t, skewness) - 1e-9


def test_third_cumulant_is_scipy_s_k_statistic() -> None:
    values = np.random.default_rng(0).exponential(size=9)
    assert third_cumulant(values) == pytest.approx(stats.kstat(values, 3), abs=1e-12)


def share(kind: str, n: int, effect: float = 0.0, studies: int = 2_000) -> float:
    """Of studies of n values with this mean, those with p <= 5 %."""
    random = np.random.default_rng([n, len(kind)])
    drawn = {
        "normal": random.normal(size=(studies, n)),
        "exponential": random.exponential(size=(studies, n)) - 1,
        "log-normal": np.exp(random.normal(size=(studies, n))) - np.exp(0.5),
    }[kind]
    tested = [scoped_test([Stratum(values + effect, NoPictures())], 0, "these pictures").p for values in drawn]
    return float(np.mean(np.array(tested) <= 0.05))


@pytest.mark.parametrize("kind", ["normal", "exponential", "log-normal"])
@pytest.mark.parametrize("n", [6, 10, 30])
def test_the_level_holds(kind: str, n: int) -> None:
    """In 2,000 studies, to four standard errors; `benchmarks/evidence_study.py` has it of more."""
    assert share(kind, n) <= 0.05 + 4 * (0.05 * 0.95 / 2_000) ** 0.5


def test_power_is_kept() -> None:
    assert share("normal", 10, effect=1.5) >= 0.8 - 4 * (0.8 * 0.2 / 2_000) ** 0.5
    assert share("normal", 20, effect=1.5) >= 0.99
