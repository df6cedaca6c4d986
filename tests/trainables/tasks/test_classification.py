"""The classification task against scikit-learn, hand-computed figures and hostile inputs."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from trainables.dataset import DataInfo
from trainables.errors import TrainablesError
from trainables.records import Breakdown
from trainables.registry import registry
from trainables.tasks._by_class import ClassRow
from trainables.tasks.classification import Classification

task = Classification()


def described(classes: int) -> DataInfo:
    return DataInfo("drawn", "image", (1, 8, 8), "classification", tuple(f"class {index}" for index in range(classes)))


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels: 2 to 12 classes, 1 to 300 examples, absent classes, and ties in two cases of three."""
    rng = np.random.default_rng(seed)
    classes, examples = int(rng.integers(2, 13)), int(rng.choice([1, 2, 3, 5, 20, 60, 300]))
    present = rng.choice(classes, size=int(rng.integers(1, classes + 1)), replace=False)
    labels = rng.choice(present, size=examples)
    logits = rng.normal(scale=rng.choice([0.5, 2.0, 4.0]), size=(examples, classes))
    logits[np.arange(examples), labels] += rng.choice([0.0, 2.0])
    decimals = [None, 1, 0][seed % 3]
    logits = logits if decimals is None else logits.round(decimals)
    return torch.tensor(logits, dtype=torch.float32), torch.tensor(labels)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
@pytest.mark.parametrize("seed", range(200))
def test_scores_equal_scikit_learn(seed: int) -> None:
    outputs, targets = drawn(seed)
    scores = task.measure(outputs, targets)
    true, predicted = targets.numpy(), outputs.argmax(1).numpy()
    probabilities = torch.softmax(outputs.double(), 1).numpy()
    classes = list(range(outputs.shape[1]))
    present = np.unique(true)
    options = {"labels": present, "zero_division": 0}

    assert scores.accuracy == pytest.approx(oracle.accuracy_score(true, predicted), abs=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "y_pred contains classes not in y_true": that is the case meant
        assert scores.balanced_accuracy == pytest.approx(oracle.balanced_accuracy_score(true, predicted), abs=1e-6)
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = oracle.precision_recall_fscore_support(true, predicted, average=average, **options)
        if average == "macro":
            assert scores.precision_macro == pytest.approx(precision, abs=1e-6)
            assert scores.recall_macro == pytest.approx(recall, abs=1e-6)
            assert scores.f1_macro == pytest.approx(f1, abs=1e-6)
        else:
            assert scores.f1_weighted == pytest.approx(f1, abs=1e-6)
    expected_loss = oracle.log_loss(true, probabilities, labels=classes)
    assert scores.loss == scores.cross_entropy == pytest.approx(expected_loss, abs=1e-6)
    expected_brier = oracle.brier_score_loss(true, probabilities, labels=classes, scale_by_half=False)
    assert scores.brier == pytest.approx(expected_brier, abs=1e-6)
    areas = [oracle.roc_auc_score(true == label, probabilities[:, label]) for label in present if len(present) > 1]
    assert scores.roc_auc_macro == (pytest.approx(np.mean(areas), abs=1e-6) if areas else None)

    precisions = [oracle.average_precision_score(true == label, probabilities[:, label]) for label in present]
    assert scores.average_precision_macro == pytest.approx(np.mean(precisions), abs=1e-12)
    assert scores.matthews == pytest.approx(oracle.matthews_corrcoef(true, predicted), abs=1e-12)
    same = len({*true, *predicted}) == 1
    kappa = pytest.approx(oracle.cohen_kappa_score(true, predicted, labels=classes), abs=1e-12)
    assert scores.kappa == (None if same else kappa)
    if len(classes) <= 5:
        assert scores.top5_accuracy is None
    elif seed % 3 == 0:  # with ties scikit-learn takes the last of the classes, and here it is the first, as in argmax
        expected_top = oracle.top_k_accuracy_score(true, outputs.numpy(), k=5, labels=classes)
        assert scores.top5_accuracy == pytest.approx(expected_top, abs=1e-12)

    rows = task.breakdown(outputs, targets, described(len(classes))).classes
    by_class = oracle.precision_recall_fscore_support(true, predicted, labels=classes, zero_division=0)
    for row, precision, recall, f1, support in zip(rows, *by_class, strict=True):
        assert row.support == support
        if support:
            assert (row.precision, row.recall, row.f1) == pytest.approx((precision, recall, f1), abs=1e-6)
    assert [row.roc_auc for row in rows if row.roc_auc is not None] == pytest.approx(areas, abs=1e-6)
    found = [row.average_precision for row in rows if row.average_precision is not None]
    assert found == pytest.approx(precisions, abs=1e-12)


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_scores_of_an_epoch_are_a_part_of_the_scores(seed: int) -> None:
    outputs, targets = drawn(seed)
    quick, full = task.measure_epoch(outputs, targets), task.measure(outputs, targets)
    assert (quick.accuracy, quick.balanced_accuracy) == (full.accuracy, full.balanced_accuracy)
    assert quick.loss == pytest.approx(full.loss, rel=1e-12)
    assert quick.f1_macro is None


def test_brier_and_calibration_error_by_hand() -> None:
    # Probabilities (0.75, 0.25), (0.75, 0.25), (0.25, 0.75), (0.5, 0.5) with labels 0, 1, 1, 0.
    three = math.log(3)
    outputs = torch.tensor([[three, 0.0], [three, 0.0], [0.0, three], [0.0, 0.0]], dtype=torch.float64)
    scores = task.measure(outputs, torch.tensor([0, 1, 1, 0]))
    assert scores.brier == pytest.approx((2 * 0.0625 + 2 * 0.5625 + 2 * 0.0625 + 2 * 0.25) / 4, abs=1e-12)
    # One bin holds 0.75 three times with two hits, another 0.5 once with a hit (the first of two equal outputs).
    assert scores.ece == pytest.approx((abs(2 - 3 * 0.75) + abs(1 - 0.5)) / 4, abs=1e-12)


def test_a_calibration_bin_includes_its_right_edge() -> None:
    # 0.6 is the edge between (8/15, 9/15] and (9/15, 10/15], and 0.55 lies in the first: the two gaps cancel in part.
    probabilities = torch.tensor([[0.6, 0.4], [0.55, 0.45]], dtype=torch.float64)
    scores = task.measure(probabilities.log(), torch.tensor([0, 1]))
    exact = torch.softmax(probabilities.log(), 1)[0, 0].item()
    assert exact <= 9 / 15
    assert scores.ece == pytest.approx(abs((1 - 0.6) + (0 - 0.55)) / 2, abs=1e-12)


def test_perfect_outputs_have_perfect_scores() -> None:
    targets = torch.arange(30) % 3
    scores = task.measure(100.0 * torch.nn.functional.one_hot(targets).float(), targets)
    assert (scores.accuracy, scores.balanced_accuracy, scores.f1_macro, scores.f1_weighted) == (1, 1, 1, 1)
    assert (scores.roc_auc_macro, scores.brier, scores.ece) == (1, 0, 0)
    assert (scores.average_precision_macro, scores.matthews, scores.kappa) == (1, 1, 1)
    assert scores.loss == pytest.approx(0, abs=1e-40)


def test_a_certain_mistake_keeps_its_true_loss() -> None:
    scores = task.measure(torch.tensor([[1000.0, 0.0], [0.0, 0.0]]), torch.tensor([1, 1]))
    assert scores.loss == pytest.approx((1000 + math.log(2)) / 2)
    assert scores.brier == pytest.approx((2 + 0.5) / 2)


def test_an_absent_class_has_a_row_without_measures() -> None:
    outputs = torch.eye(3)[[0, 0, 1, 2]]
    breakdown = task.breakdown(outputs, torch.tensor([0, 0, 1, 1]), described(3))
    assert breakdown.classes[2] == ClassRow(2, "class 2", 0, precision=None, recall=None, f1=None, roc_auc=None)
    assert {row.class_index for row in breakdown.curves if row.curve == "roc"} == {0, 1}


def test_one_example_and_one_class_have_no_roc() -> None:
    for outputs in (torch.tensor([[0.3, 0.1, 0.2]]), torch.tensor([[0.3]])):
        targets = torch.tensor([0])
        assert task.measure(outputs, targets).roc_auc_macro is None
        assert task.measure(outputs, targets).accuracy == 1
        breakdown = task.breakdown(outputs, targets, described(outputs.shape[1]))
        assert [row.curve for row in breakdown.curves] == ["confusion"]


def points(breakdown: Breakdown, index: int) -> list[tuple[float, float]]:
    return [(row.x, row.y) for row in breakdown.curves if row.curve == "roc" and row.class_index == index]


@pytest.mark.parametrize(("examples", "positives"), [(5000, 2500), (5000, 3), (5000, 4997), (90, 40)])
def test_the_curve_is_thinned_and_its_area_is_not(examples: int, positives: int) -> None:
    generator = torch.Generator().manual_seed(positives)
    targets = (torch.arange(examples) < positives).long()
    outputs = torch.randn(examples, 2, generator=generator)
    outputs[:, 1] += targets
    breakdown = task.breakdown(outputs, targets, described(2))
    probabilities = torch.softmax(outputs.double(), 1)[:, 1]
    full_x, full_y, _ = oracle.roc_curve(targets, probabilities, drop_intermediate=False)
    kept = points(breakdown, 1)

    assert [row.point for row in breakdown.curves if row.curve == "roc" and row.class_index == 1] == [*range(len(kept))]
    assert len(kept) <= 101
    assert kept[0] == (0, 0)
    assert kept[-1] == (1, 1)
    assert all(x0 <= x1 and y0 <= y1 for (x0, y0), (x1, y1) in pairwise(kept))
    assert breakdown.classes[1].roc_auc == pytest.approx(oracle.roc_auc_score(targets, probabilities), abs=1e-6)
    real = set(zip(full_x.round(6).tolist(), full_y.round(6).tolist(), strict=True))
    assert {(round(x, 6), round(y, 6)) for x, y in kept} <= real
    x, y = (np.array(values) for values in zip(*kept, strict=True))
    assert np.trapezoid(y, x) == pytest.approx(breakdown.classes[1].roc_auc, abs=0.01)


def test_a_curve_with_few_corners_is_kept_whole() -> None:
    targets = torch.tensor([1] * 400 + [0] * 400)
    positive_output = torch.cat([torch.linspace(5, 9, 399), torch.tensor([-9.0]), torch.linspace(-5, 0, 400)])
    breakdown = task.breakdown(torch.stack([-positive_output, positive_output], 1), targets, described(2))
    assert points(breakdown, 1) == [(0, 0), (0, pytest.approx(399 / 400)), (1, pytest.approx(399 / 400)), (1, 1)]


def test_confusion_cells_add_up_to_the_matrix() -> None:
    outputs, targets = drawn(7)
    classes = outputs.shape[1]
    rows = [row for row in task.breakdown(outputs, targets, described(classes)).curves if row.curve == "confusion"]
    matrix = np.zeros((classes, classes))
    for row in rows:
        assert row.y > 0
        matrix[row.class_index, row.other_index] += row.y
    assert (matrix == oracle.confusion_matrix(targets, outputs.argmax(1), labels=range(classes))).all()
    assert len({(row.class_index, row.point) for row in rows}) == len(rows)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_outputs_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    outputs = torch.zeros(4, 3)
    outputs[2, 1] = bad
    targets = torch.tensor([0, 1, 1, 2])
    for measure in (task.measure, lambda *split: task.breakdown(*split, described(3))):
        with pytest.raises(TrainablesError, match="NaN or infinite for 1 of 4 examples"):
            measure(outputs, targets)
    if bad != -math.inf:  # a class may be ruled out by minus infinity without the loss of others becoming infinite
        assert not math.isfinite(task.measure_epoch(outputs, targets).loss)


def test_an_empty_split_and_foreign_labels_are_refused() -> None:
    for measure in (task.measure, task.measure_epoch):
        with pytest.raises(TrainablesError, match="without examples"):
            measure(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
        for label in (-1, 3):
            with pytest.raises(TrainablesError, match="labels have to be 0 to 2"):
                measure(torch.zeros(2, 3), torch.tensor([0, label]))


def test_loss_and_hits_of_hard_and_soft_targets() -> None:
    outputs = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]], requires_grad=True)
    hard = torch.tensor([0, 1])
    soft = torch.nn.functional.one_hot(hard, 3).double()
    assert torch.equal(task.loss(outputs, hard), task.loss(outputs, soft))
    assert task.loss(outputs.bfloat16(), hard).dtype == torch.float32
    task.loss(outputs, soft).backward()
    assert outputs.grad is not None and outputs.grad.abs().sum() > 0
    assert task.correct(outputs, hard) == task.correct(outputs, soft) == 1


def test_the_registry_knows_the_tasks() -> None:
    assert registry.get("task", "classification") is Classification
    assert task.outputs(described(7)) == 7
    assert Classification.default_selection in Classification.selections()
