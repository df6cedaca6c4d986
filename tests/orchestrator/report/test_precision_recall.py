"""Precision by recall, beside scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import precision_recall_curve

from orchestrator.report.precision_recall import RECALLS, precision_recall
from trainables.records import CurveRow
from trainables.tasks._by_class import ClassRow
from trainables.tasks._metrics import Predictions, rankings


def rows_of(outputs: torch.Tensor, targets: torch.Tensor, points: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of `curves` and `classes`, as a trial leaves them."""
    curves, classes = [], []
    for index, ranking in enumerate(rankings(Predictions.of(outputs, targets))):
        line = ranking.roc_curve.thinned(points)
        rates = zip(line.false_positive_rate, line.true_positive_rate, strict=True)
        curves += [CurveRow("roc", index, point, float(x), float(y)) for point, (x, y) in enumerate(rates)]
        support = int((targets == index).sum())
        classes.append(ClassRow(index, str(index), support, 0, 0, 0, 0, ranking.average_precision))
    columns = ["curve", "class_index", "point", "x", "y"]
    curve_frame = pd.DataFrame([[getattr(row, name) for name in columns] for row in curves], columns=columns)
    wanted = ["class_index", "support", "average_precision"]
    class_frame = pd.DataFrame([[getattr(row, name) for name in wanted] for row in classes], columns=wanted)
    return curve_frame.assign(trial_id="t"), class_frame.assign(trial_id="t")


def best_at(recall: float, targets: np.ndarray, scores: np.ndarray) -> float:
    """The greatest precision of a threshold that finds exactly this share."""
    precisions, recalls, _ = precision_recall_curve(targets, scores)
    return float(precisions[np.isclose(recalls, recall)].max())


@pytest.mark.parametrize("seed", range(5))
def test_it_is_that_of_the_thresholds(seed: int):
    random = np.random.default_rng(seed)
    targets = torch.tensor([1] * 100 + [0] * 37)
    outputs = torch.tensor(random.normal(size=(137, 2)) + 0.8 * np.eye(2)[targets])
    curves, classes = rows_of(outputs, targets, points=1000)
    _, found = precision_recall(curves, classes, (0, 1))
    scores = torch.softmax(outputs.double(), dim=1)[:, 1].numpy()
    wanted = [best_at(recall, targets.numpy(), scores) for recall in RECALLS]
    assert found.precision == pytest.approx(wanted, abs=1e-12)
    assert found.prevalence == pytest.approx(100 / 137)


def test_thinned_curves_stay_near_and_the_area_is_the_average_precision():
    random = np.random.default_rng(0)
    targets = torch.tensor(random.choice(3, 6000, p=[0.9, 0.07, 0.03]))
    outputs = torch.tensor(random.normal(size=(6000, 3)) + 2.0 * np.eye(3)[targets])
    whole = precision_recall(*rows_of(outputs, targets, points=100_000), (0, 1, 2))
    thinned = precision_recall(*rows_of(outputs, targets, points=101), (0, 1, 2))
    for exact, kept in zip(whole, thinned, strict=True):
        off = np.abs(np.subtract(exact.precision, kept.precision))
        assert off.mean() < 0.02, "between the kept points single ones of a rare class are off by 0.07 at most"
        assert off.max() < 0.1
        assert np.mean(exact.precision) == pytest.approx(exact.average_precision, abs=0.02)


def test_seeds_are_averaged_at_each_recall_and_absent_classes_have_none():
    curves = pd.DataFrame(
        [
            (trial, "roc", 0, point, x, y)
            for trial, x1 in (("a", 0.0), ("b", 0.5))
            for point, (x, y) in enumerate([(0, 0), (x1, 1), (1, 1)])
        ],
        columns=["trial_id", "curve", "class_index", "point", "x", "y"],
    )
    classes = pd.DataFrame(
        [(trial, index, support, 0.8) for trial in "ab" for index, support in ((0, 10), (1, 30), (2, 0))],
        columns=["trial_id", "class_index", "support", "average_precision"],
    )
    (found,) = precision_recall(curves, classes, (0, 1, 2))
    assert (found.class_index, found.seeds, found.prevalence, found.average_precision) == (0, 2, 0.25, 0.8)
    assert found.precision[-1] == pytest.approx((1 + 10 / 25) / 2)
