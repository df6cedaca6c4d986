"""The regression task against scikit-learn, and at its edges."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from trainables.dataset import DataInfo
from trainables.errors import TrainablesError
from trainables.tasks.regression import Regression

task = Regression()


@pytest.mark.parametrize("seed", range(60))
def test_scores_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    examples, numbers = int(rng.choice([2, 3, 10, 200])), int(rng.integers(1, 5))
    true = rng.normal(rng.choice([0, 100]), rng.choice([0.1, 5]), size=(examples, numbers)).astype(np.float32)
    predicted = (true + rng.normal(size=true.shape)).astype(np.float32)
    if seed % 3 == 0:
        true[:, 0] = 4
    if seed % 6 == 0:
        predicted[:, 0] = 4
    scores = task.measure(torch.from_numpy(predicted), torch.from_numpy(true))
    true, predicted = true.astype(float), predicted.astype(float)
    assert scores.loss == scores.mse == pytest.approx(oracle.mean_squared_error(true, predicted), abs=1e-6)
    assert scores.mae == pytest.approx(oracle.mean_absolute_error(true, predicted), abs=1e-6)
    assert scores.r2 == pytest.approx(oracle.r2_score(true, predicted), abs=1e-6, rel=1e-9)


def test_a_number_that_never_varies_is_not_divided_by_rounding() -> None:
    # The mean of 0.1 rounds away from 0.1, so the sum of squares about it is not 0.
    targets = torch.full((1000, 1), 0.1)
    assert task.measure(targets + 1, targets).r2 == 0
    assert task.measure(targets, targets).r2 == 1


def test_one_example_has_no_r2() -> None:
    scores = task.measure(torch.tensor([[2.0]]), torch.tensor([[5.0]]))
    assert (scores.loss, scores.mse, scores.mae, scores.r2) == (9, 9, 3, None)


def test_targets_without_a_second_axis_are_not_broadcast() -> None:
    outputs, targets = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([1.0, 2.0, 3.0])
    assert task.loss(outputs, targets) == pytest.approx(1 / 3)
    assert task.measure(outputs, targets).mse == pytest.approx(1 / 3)


def test_loss_is_at_least_single_precision_and_nothing_is_a_hit() -> None:
    outputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [3.0]])
    assert task.loss(outputs.bfloat16(), targets).dtype == torch.float32
    assert task.loss(outputs, targets) == 0.5
    assert task.correct(outputs, targets) is None


def test_outputs_that_are_not_finite_and_empty_splits() -> None:
    outputs, targets = torch.tensor([[1.0], [math.nan]]), torch.zeros(2, 1)
    with pytest.raises(TrainablesError, match="NaN or infinite for 1 of 2"):
        task.measure(outputs, targets)
    assert math.isnan(task.measure_epoch(outputs, targets).loss)
    with pytest.raises(TrainablesError, match="without examples"):
        task.measure(torch.zeros(0, 1), torch.zeros(0, 1))


def test_it_asks_for_as_many_outputs_as_there_are_numbers() -> None:
    assert task.outputs(DataInfo("poses", "image", (3, 8, 8), "regression", targets=6)) == 6
    assert Regression.default_selection in Regression.selections()
