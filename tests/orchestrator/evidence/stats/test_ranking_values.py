"""Pseudo-values of areas, beside scikit-learn's measure with each picture left out in turn."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from orchestrator.evidence.stats.ranking_values import average_precision_values, roc_area_values

Values = Callable[[NDArray[np.bool_], NDArray[np.float64]], NDArray[np.float64] | None]
MEASURES = [
    pytest.param(roc_area_values, roc_auc_score, id="ROC"),
    pytest.param(average_precision_values, average_precision_score, id="average precision"),
]


@pytest.mark.parametrize(("values", "oracle"), MEASURES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_leaving_out_each_picture_in_turn(values: Values, oracle: Callable[..., float], ties: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    positive = random.random(60) < 0.4
    scores = np.clip(0.4 + 0.2 * positive + 0.2 * random.normal(size=60), 0, 1)
    scores = np.round(scores, 1) if ties else scores
    m, whole = positive.size, float(oracle(positive, scores))
    without = np.array([oracle(np.delete(positive, j), np.delete(scores, j)) for j in range(m)])
    by_hand = m * whole - (m - 1) * without
    found = values(positive, scores)
    assert found is not None
    assert found == pytest.approx(by_hand - by_hand.mean() + whole, abs=1e-9)
    assert found.mean() == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("values", [roc_area_values, average_precision_values])
def test_a_class_of_one_picture_has_none(values: Values) -> None:
    assert values(np.array([True, False, False]), np.array([0.9, 0.1, 0.3])) is None


def test_by_hand() -> None:
    """Two of each: 0.9 and 0.4 of the class, 0.6 and 0.1 not; 3 of 4 pairs are in order."""
    found = roc_area_values(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.6, 0.1]))
    # without them in turn: 1/2, 1, 1, 1/2, so that 4 * 0.75 - 3 f_j is 1.5, 0, 0, 1.5, whose mean is the area
    assert found == pytest.approx([1.5, 0, 0, 1.5])
