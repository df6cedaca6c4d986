"""What metrics.py promises by itself; its figures are checked against scikit-learn in tasks/test_classification.py."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from trainables.tasks._metrics import ClassMetrics, Predictions, RocCurve, expected_calibration_error, roc_auc_macro


def curve(*points: tuple[float, float]) -> RocCurve:
    x, y = np.array(points).T
    return RocCurve(x, y)


def test_class_measures_by_hand() -> None:
    # Class 0: three examples, two found; class 1: one example, none found; class 2: no example, predicted twice.
    measures = ClassMetrics.of(np.array([[2, 0, 1], [0, 0, 1], [0, 0, 0]]))
    assert measures.support.tolist() == [3, 1, 0]
    assert measures.precision.tolist() == [1, 0, 0]
    assert measures.recall.tolist() == pytest.approx([2 / 3, 0, 0])
    assert measures.f1.tolist() == pytest.approx([0.8, 0, 0])
    assert measures.macro(measures.f1) == pytest.approx(0.4)  # over the two classes with examples
    assert measures.weighted(measures.f1) == pytest.approx(0.6)


def test_ties_count_one_half_in_the_area() -> None:
    assert curve((0, 0), (1, 1)).area == 0.5
    assert curve((0, 0), (0, 1), (1, 1)).area == 1
    assert curve((0, 0), (0.5, 0.5), (0.5, 1), (1, 1)).area == 0.625


def test_thinning_takes_straight_pieces_first() -> None:
    steps = curve((0, 0), (0, 0.1), (0, 0.25), (0.5, 0.25), (0.75, 0.25), (0.75, 1), (1, 1)).thinned()
    assert list(zip(steps.false_positive_rate, steps.true_positive_rate, strict=True)) == [
        (0, 0), (0, 0.25), (0.75, 0.25), (0.75, 1), (1, 1),
    ]  # fmt: skip


def test_thinning_spreads_points_along_the_curve() -> None:
    """A concave arc of 20,001 points, nearly all of them beside the origin: none of its stretches is left bare."""
    x = np.linspace(0, 1, 20_001) ** 6
    thin = RocCurve(x, np.sqrt(x)).thinned()
    way = thin.false_positive_rate + thin.true_positive_rate
    assert 90 <= len(way) <= 101
    assert (way[0], way[-1]) == (0, 2)
    assert max(after - before for before, after in pairwise(way)) < 0.05
    assert thin.area == pytest.approx(2 / 3, abs=1e-3)


def test_calibration_error_equals_torchmetrics_away_from_bin_edges() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(2000, 4, generator=generator), torch.randint(0, 4, (2000,), generator=generator)
    expected = multiclass_calibration_error(torch.softmax(outputs, 1), targets, 4, n_bins=15)
    assert expected_calibration_error(Predictions.of(outputs, targets)) == pytest.approx(float(expected), abs=1e-5)


def test_a_thousand_classes_most_of_them_absent() -> None:
    outputs = torch.zeros(60, 1000)
    targets = torch.arange(60) % 3
    outputs[torch.arange(60), targets] = 5.0
    assert roc_auc_macro(Predictions.of(outputs, targets)) == 1
