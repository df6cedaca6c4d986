"""Holm's correction against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.reports.stats.holm import holm


@given(st.lists(st.floats(0, 1, allow_subnormal=False), max_size=12))
@settings(deadline=None)  # the first imports statsmodels
def test_step_by_step(p_values: list[float]) -> None:
    order = np.argsort(p_values, kind="stable")
    right, highest = np.zeros(len(p_values)), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        right[index] = highest
    assert holm(p_values) == pytest.approx(right, abs=1e-12)


@pytest.mark.parametrize("wrong", [[1.2], [-0.1, 0.5], [float("nan")]])
def test_what_is_no_p_value_is_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="within 0 and 1"):
        holm(wrong)
