"""What metrics.py promises by itself; its figures are checked against scikit-learn in tasks/test_classification.py."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from trainables.tasks._metrics import (
    ClassMetrics,
    Predictions,
    RocCurve,
    average_precision_macro,
    expected_calibration_error,
    kappa,
    matthews,
    rankings,
    roc_auc_macro,
    top_accuracy,
)


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
    ranked = rankings(Predictions.of(outputs, targets))
    assert roc_auc_macro(ranked) == average_precision_macro(ranked) == 1


def test_matthews_of_two_classes_is_the_coefficient_of_the_four_counts() -> None:
    # 90 of 95 and 1 of 5: accuracy is 0.91, and next to nothing of the rare class is found.
    true_positives, false_negatives, false_positives, true_negatives = 1, 4, 5, 90
    confusion = np.array([[true_negatives, false_positives], [false_negatives, true_positives]])
    product = (true_positives + false_positives) * (true_positives + false_negatives)
    product *= (true_negatives + false_positives) * (true_negatives + false_negatives)
    expected = (true_positives * true_negatives - false_positives * false_negatives) / product**0.5
    assert matthews(confusion) == pytest.approx(expected, abs=1e-12)
    assert expected < 0.15


def test_kappa_of_the_example_in_cohens_paper() -> None:
    # The worked example of Cohen 1960, 200 cases: 0.70 agree, 0.41 would by chance.
    confusion = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    assert kappa(confusion) == pytest.approx((0.70 - 0.41) / (1 - 0.41), abs=1e-12)


def test_what_always_says_the_same_agrees_by_chance_alone() -> None:
    always = np.array([[70, 0, 0], [20, 0, 0], [10, 0, 0]])
    assert (matthews(always), kappa(always)) == (0, 0)
    assert (matthews(np.array([[9, 0], [0, 0]])), kappa(np.array([[9, 0], [0, 0]]))) == (0, None)


def test_of_equal_outputs_the_first_five_are_the_greatest() -> None:
    assert top_accuracy(torch.zeros(10, 10), torch.arange(10)) == 0.5
    assert top_accuracy(torch.zeros(10, 5), torch.arange(10) % 5) is None
