"""Holm's correction against its definition, and against statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from orchestrator.evidence.stats.paired import holm


@given(st.lists(st.floats(0, 1, allow_subnormal=False), max_size=12))
def test_step_by_step(p_values: list[float]) -> None:
    order = np.argsort(p_values, kind="stable")
    right, highest = np.zeros(len(p_values)), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        right[index] = highest
    assert holm(p_values) == pytest.approx(right, abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, 33])
def test_as_statsmodels_has_it(count: int) -> None:
    p_values = np.random.default_rng(count).beta(0.3, 3, count)
    p_values[: count // 3] = p_values[0]  # ties
    assert holm(list(p_values)) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-15)


@pytest.mark.parametrize("wrong", [[1.2], [-0.1, 0.5], [float("nan")]])
def test_what_is_no_p_value_is_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="within 0 and 1"):
        holm(wrong)
