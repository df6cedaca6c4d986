"""Pseudo-values against measures by scikit-learn, picture by picture."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from sklearn import metrics

from orchestrator.evidence.stats.pseudo_values import BY_NAME, pseudo_values

RANDOM = np.random.default_rng(2)
TARGETS = RANDOM.integers(0, 3, 60)
PREDICTED = np.where(RANDOM.random(60) < 0.7, TARGETS, RANDOM.integers(0, 3, 60))

RIGHT: dict[str, Callable[..., float]] = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "recall_macro": partial(metrics.recall_score, average="macro"),
    "precision_macro": partial(metrics.precision_score, average="macro"),
    "f1_macro": partial(metrics.f1_score, average="macro"),
    "f1_weighted": partial(metrics.f1_score, average="weighted"),
    "kappa": metrics.cohen_kappa_score,
    "matthews": metrics.matthews_corrcoef,
}


@pytest.mark.parametrize("name", BY_NAME)
def test_each_is_what_leaving_the_picture_out_takes_away(name: str) -> None:
    found = pseudo_values(BY_NAME[name], TARGETS, PREDICTED, 3)
    whole = RIGHT[name](TARGETS, PREDICTED)
    without = np.array([RIGHT[name](np.delete(TARGETS, place), np.delete(PREDICTED, place)) for place in range(60)])
    right = 60 * whole - 59 * without
    assert found == pytest.approx(right - right.mean() + whole, abs=1e-9)
    assert found.mean() == pytest.approx(whole, abs=1e-12)


def test_of_accuracy_they_are_right_and_wrong() -> None:
    found = pseudo_values(BY_NAME["accuracy"], TARGETS, PREDICTED, 3)
    assert found == pytest.approx((TARGETS == PREDICTED).astype(float), abs=1e-9)


def test_many_classes_are_measured_in_pieces() -> None:
    targets, predicted = RANDOM.integers(0, 400, (2, 300))
    found = pseudo_values(BY_NAME["accuracy"], targets, predicted, 400)
    assert found == pytest.approx((targets == predicted).astype(float), abs=1e-9)


def test_one_picture_has_none() -> None:
    with pytest.raises(ValueError, match="two pictures"):
        pseudo_values(BY_NAME["accuracy"], np.array([0]), np.array([0]), 2)
