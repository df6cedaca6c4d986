"""Measures of the class of interest, and thresholds chosen on validation, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from tests.trainables.tasks.test_classification import described, drawn
from trainables.dataset import DataInfo
from trainables.protocol import Protocol, unsupported
from trainables.tasks.classification import Classification, ClassificationScores

MEASURED = ("precision", "recall", "f1", "roc_auc", "average_precision")


def task_for(classes: int, positive: str = "class 1") -> Classification:
    plain = described(classes)
    return Classification.of(
        DataInfo(plain.name, plain.input, plain.shape, plain.task, plain.classes, positive=positive)
    )


def of_positive(scores: ClassificationScores) -> dict[str, float | None]:
    return {name: getattr(scores, f"{name}_positive") for name in MEASURED}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("seed", range(100))
def test_equal_scikit_learn_and_are_the_same_after_every_epoch(seed: int) -> None:
    outputs, targets = drawn(seed)
    task = task_for(outputs.shape[1])
    found = of_positive(task.measure(outputs, targets))
    assert of_positive(task.measure_epoch(outputs, targets)) == found

    true, said = (targets == 1).numpy(), (outputs.argmax(1) == 1).numpy()
    if not true.any():
        assert set(found.values()) == {None}
        return
    probability = torch.softmax(outputs.double(), 1)[:, 1].numpy()
    found_by_oracle = oracle.precision_recall_fscore_support(true, said, average="binary", zero_division=0)
    expected = dict(zip(MEASURED[:3], found_by_oracle[:3], strict=True))
    expected["average_precision"] = oracle.average_precision_score(true, probability)
    if not true.all():
        expected["roc_auc"] = oracle.roc_auc_score(true, probability)
    assert found["roc_auc"] is None or not true.all()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name
    row = task.breakdown(outputs, targets, described(outputs.shape[1])).classes[1]
    assert {name: getattr(row, name) for name in MEASURED} == pytest.approx(found, abs=1e-12)


def test_thresholds_are_those_of_scikit_learns_curve_and_the_test_split_is_measured_at_them() -> None:
    random, task = np.random.default_rng(0), task_for(3)
    val, test = (torch.tensor(random.normal(size=(size, 3)).round(1), dtype=torch.float32) for size in (300, 400))
    val_targets, test_targets = (torch.tensor(random.integers(0, 3, size)) for size in (300, 400))
    rows = task.thresholds(val, val_targets, test, test_targets)

    probability = torch.softmax(val.double(), 1)[:, 1].numpy()
    curve = oracle.precision_recall_curve((val_targets == 1).numpy(), probability)
    known = {threshold: (precision, recall) for precision, recall, threshold in zip(*curve, strict=False)}
    assert [row.threshold for row in rows] == sorted(set(probability[(val_targets == 1).numpy()]), reverse=True)
    assert [row.point for row in rows] == list(range(len(rows)))
    for row in rows:
        assert (row.val_precision, row.val_recall) == pytest.approx(known[row.threshold], abs=1e-6)
        said = (torch.softmax(test.double(), 1)[:, 1] >= row.threshold).numpy()
        precision, recall, _, _ = oracle.precision_recall_fscore_support(
            (test_targets == 1).numpy(), said, average="binary", zero_division=np.nan
        )
        assert row.test_recall == pytest.approx(recall, abs=1e-6)
        assert row.test_precision == (None if np.isnan(precision) else pytest.approx(precision, abs=1e-6))
    # what finds the same without a positive example at its edge takes more of the others along
    for wanted in (0.3, 0.6, 0.9):
        best = max(precision for precision, recall in known.values() if recall >= wanted)
        assert max(row.val_precision for row in rows if row.val_recall >= wanted) == pytest.approx(best, abs=1e-9)


def test_of_many_thresholds_five_hundred_are_kept_with_both_ends() -> None:
    random, task = np.random.default_rng(1), task_for(2)
    outputs, targets = torch.tensor(random.normal(size=(3000, 2)), dtype=torch.float32), torch.ones(3000).long()
    rows = task.thresholds(outputs, targets, outputs[:5], targets[:5] * 0)
    assert len(rows) == 500
    assert rows[0].val_recall == pytest.approx(1 / 3000) and rows[-1].val_recall == 1
    assert {row.test_recall for row in rows} == {None}  # no test example has the class
    assert rows[-1].test_precision in (0, None)


def test_without_a_class_of_interest_nothing_of_it_is_measured() -> None:
    outputs, targets = drawn(3)
    task = Classification.of(described(outputs.shape[1]))
    assert set(of_positive(task.measure(outputs, targets)).values()) == {None}
    assert task.thresholds(outputs, targets, outputs, targets) == ()


def test_what_diverged_has_none_after_its_epoch() -> None:
    outputs, targets = torch.full((4, 2), torch.nan), torch.tensor([0, 1, 0, 1])
    assert set(of_positive(task_for(2).measure_epoch(outputs, targets)).values()) == {None}


def test_an_epoch_has_every_score_where_the_protocol_selects_by_one_that_not_every_epoch_has() -> None:
    outputs, targets = drawn(8)
    task = Classification()
    usual, every = (task.measure_for(name, outputs, targets) for name in ("val_accuracy", "val_f1_macro"))
    assert usual.f1_macro is None
    assert every.f1_macro == task.measure(outputs, targets).f1_macro
    assert (every.loss, every.accuracy, every.balanced_accuracy) == (
        usual.loss,
        usual.accuracy,
        usual.balanced_accuracy,
    )
    broken = torch.full_like(outputs, torch.inf)
    assert task.measure_for("val_f1_macro", broken, targets).f1_macro is None


def test_a_protocol_selects_by_any_score_and_by_the_class_of_interest_alone() -> None:
    task = task_for(2)
    for select in ("val_f1_macro", "val_matthews", "val_ece", "val_recall[class 1]", "val_average_precision[class 1]"):
        assert unsupported(Protocol(select=select), task) is None, select
    assert task.selected("val_recall[class 1]") == ("val_recall_positive", "higher")
    assert task.selected("val_recall_positive") is None  # nobody would know of which class
    reason = unsupported(Protocol(select="val_recall[class 0]"), task)
    assert reason is not None and "`positive` class is class 1" in reason
    reason = unsupported(Protocol(select="val_recall[class 0]"), Classification())
    assert reason is not None and "`positive: class 0`" in reason
