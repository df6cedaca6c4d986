"""A range test finds the learning rates at which training works: on losses by hand, and on a trial."""

import math
from pathlib import Path

import pytest
import torch

from trainables.context import SingleContext
from trainables.dataset import DataLocation
from trainables.interfaces import Regularizer
from trainables.models.mlp import Mlp
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import EpochRow, TrialResult
from trainables.registry import registry
from trainables.regularizers.early_stopping import EarlyStopping
from trainables.spec import TrialSpec, TrialTask
from trainables.training.range_test import found
from trainables.training.trial import run_trial


def test_each_step_is_a_point_where_they_are_few() -> None:
    result = found([0.1, 0.2, 0.4, 0.8], [2.0, 1.0, 1.5, 2.6])
    assert [(row.curve, row.class_index, row.point, row.x, row.y) for row in result.curve] == [
        ("lr_range", 0, 0, 0.1, 2.0),
        ("lr_range", 0, 1, 0.2, 1.0),
        ("lr_range", 0, 2, 0.4, 1.5),
        ("lr_range", 0, 3, 0.8, 2.6),
    ]
    assert (result.lr_lowest_loss, result.lr_diverged) == (0.2, 0.8)


def test_many_steps_are_at_most_a_hundred_points_of_equally_many() -> None:
    rates = [10 ** (step / 100) for step in range(1000)]
    result = found(rates, [float(step % 10) for step in range(1000)])
    assert len(result.curve) == 100
    assert {row.y for row in result.curve} == {4.5}
    assert result.curve[0].x == rates[4]
    assert result.lr_diverged is None
    assert len(found(rates[:101], [1.0] * 101).curve) == 100


@pytest.mark.parametrize("broken", [math.nan, math.inf, 100.0])
def test_losses_that_are_not_finite_are_a_divergence_and_no_points(broken: float) -> None:
    result = found([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, broken, math.nan])
    assert result.lr_diverged == 3.0
    assert all(math.isfinite(row.y) for row in result.curve)
    assert [row.point for row in result.curve] == list(range(len(result.curve)))


def test_a_run_that_never_learns_nor_diverges_has_no_divergence() -> None:
    assert found([1.0, 2.0], [2.3, 2.31]).lr_diverged is None


def test_losses_of_which_none_is_finite_have_no_lowest() -> None:
    result = found([1.0, 2.0], [math.nan, math.nan])
    assert (result.lr_lowest_loss, result.lr_diverged, result.curve) == (None, 1.0, ())


def trial(
    folder: Path, epochs: int, *regularizers: Regularizer, **schedule: object
) -> tuple[TrialResult, list[EpochRow]]:
    """A perceptron on digits under plain gradient descent."""
    place = DataLocation(data=None, beside=None, cache=folder)
    dataset = registry.get("dataset", "digits").from_parameters({})
    protocol = {"epochs": epochs, "schedule": {"name": "lr_range", **schedule}}
    spec = TrialSpec(
        dataset=dataset,
        model=Mlp(),
        optimizer=Sgd(lr=1.0),
        regularizers=regularizers,
        protocol=Protocol.from_parameters(protocol),
        seed=0,
        fingerprint=dataset.fingerprint(place),
    )
    rows: list[EpochRow] = []
    trial_task = TrialTask(spec.trial_id, 1, spec, place, None)
    return run_trial(trial_task, SingleContext(torch.device("cpu"), rows.append)), rows


def test_a_trial_that_diverges_is_completed_and_says_where(tmp_path: Path) -> None:
    result, rows = trial(tmp_path, 5, least=1e-4, most=1e4)
    assert (result.status, result.reason) == ("completed", None)
    assert result.lr_lowest_loss is not None and result.lr_diverged is not None
    assert 0.01 < result.lr_lowest_loss < result.lr_diverged < 1e4
    points = [row for row in result.breakdown.curves if row.curve == "lr_range"]
    assert 50 < len(points) <= 100
    rates = [row.x for row in points]
    assert rates == sorted(rates) and 1e-4 <= rates[0] < 2e-4
    assert points[0].y == pytest.approx(2.3, abs=0.2)  # untrained, ten classes
    assert rows[0].lr < rows[1].lr


def test_early_stopping_does_not_hide_where_training_diverges(tmp_path: Path) -> None:
    plain, rows = trial(tmp_path, 5, least=1e-4, most=1e4)
    stopped, stopped_rows = trial(tmp_path, 5, EarlyStopping(patience=1, min_delta=1.0), least=1e-4, most=1e4)
    assert len(stopped_rows) == len(rows)
    assert (stopped.lr_lowest_loss, stopped.lr_diverged) == (plain.lr_lowest_loss, plain.lr_diverged)


def test_a_trial_that_does_not_diverge_is_measured_like_any_other(tmp_path: Path) -> None:
    result, rows = trial(tmp_path, 3, least=1e-2, most=0.3)
    assert result.status == "completed"
    assert result.lr_diverged is None
    assert result.best_epoch is not None and result.val is not None and result.test is not None
    assert result.val.accuracy == pytest.approx(rows[result.best_epoch - 1].val.accuracy)
    assert result.test.accuracy is not None and result.test.accuracy > 0.7
    assert rows[-1].lr == pytest.approx(0.3)
    assert {"roc", "confusion", "lr_range"} == {row.curve for row in result.breakdown.curves}


def test_a_trial_that_diverges_in_its_first_epoch_has_its_curve_and_no_scores(tmp_path: Path) -> None:
    result, rows = trial(tmp_path, 3, least=1e29, most=1e30)
    assert (result.status, result.best_epoch, result.test) == ("completed", None, None)
    assert len(rows) == 1
    assert result.lr_lowest_loss is not None and result.lr_diverged is not None
