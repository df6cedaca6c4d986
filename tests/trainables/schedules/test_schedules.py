"""Learning rates over a training, against torch's own schedulers."""

import math
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
)

from tests.trainables.epoch_rows import epoch_row
from trainables.protocol import Moment, Protocol, Schedule
from trainables.records import EpochRow
from trainables.registry import registry
from trainables.schedules.constant import Constant
from trainables.schedules.cosine import Cosine
from trainables.schedules.lr_range import LrRange
from trainables.schedules.one_cycle import OneCycle
from trainables.schedules.plateau import Plateau
from trainables.schedules.step import Step


def moment(step: int, steps: int, epochs: int) -> Moment:
    return Moment(step, steps, step * epochs // steps, epochs, ())


def torch_rates(scheduler: type, steps: int, **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = scheduler(optimizer, **options)
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    return rates


def test_constant_never_changes() -> None:
    assert {Constant().factor(moment(step, 20, 4)) for step in range(20)} == {1.0}


def test_cosine_falls_at_every_step_as_torch_s() -> None:
    factors = [Cosine(minimum=0.1).factor(moment(step, 30, 3)) for step in range(30)]
    assert factors == pytest.approx(torch_rates(CosineAnnealingLR, 30, T_max=30, eta_min=0.1))


def test_step_falls_after_its_milestones_as_torch_s() -> None:
    factors = [Step(milestones=(2, 5), gamma=0.5).factor(moment(epoch * 10, 70, 7)) for epoch in range(7)]
    assert factors == pytest.approx(torch_rates(MultiStepLR, 7, milestones=[2, 5], gamma=0.5))


def test_step_without_milestones_falls_at_a_half_and_three_quarters() -> None:
    assert [Step().factor(moment(epoch, 8, 8)) for epoch in range(8)] == pytest.approx([1] * 4 + [0.1] * 2 + [0.01] * 2)


@pytest.mark.parametrize("parameters", [{"gamma": 0.0}, {"gamma": 2.0}, {"milestones": [0]}, {"milestones": [1.5]}])
def test_impossible_steps_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Step.from_parameters(parameters)


def cycle(**options: object) -> list[float]:
    return torch_rates(OneCycleLR, 40, max_lr=1.0, total_steps=40, cycle_momentum=False, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pct_start": 0.05},
        {"pct_start": 0.9},
        {"anneal_strategy": "linear"},
        {"div_factor": 5.0, "final_div_factor": 10.0},
        {"three_phase": True},
        {"three_phase": True, "pct_start": 0.5, "anneal_strategy": "linear"},
        {"pct_start": 0.01},
    ],
    ids=str,
)
def test_one_cycle_is_torch_s(options: dict[str, object]) -> None:
    factors = [OneCycle.from_parameters(options).factor(moment(step, 40, 4)) for step in range(40)]
    assert factors == pytest.approx(cycle(**options))


def test_one_cycle_has_its_peak_at_the_configured_rate_and_ends_near_nothing() -> None:
    factors = [OneCycle().factor(moment(step, 100, 10)) for step in range(100)]
    assert max(factors) == factors[29] == 1.0
    assert factors[0] == pytest.approx(1 / 25)
    assert factors[-1] == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_training_of_hardly_any_steps_has_rates(steps: int) -> None:
    for schedule in (OneCycle(), OneCycle(three_phase=True), OneCycle(pct_start=0.5), LrRange(), Cosine(), Plateau()):
        factors = [schedule.factor_after_warm_up(moment(step, steps, 1)) for step in range(steps)]
        assert all(math.isfinite(factor) and factor >= 0 for factor in factors)


LOSSES = [3.0, 2.0, 1.0, 1.0, 0.99999, 1.2, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.5, 0.5, 0.5, 0.5]


def rows(losses: list[float]) -> tuple[EpochRow, ...]:
    return tuple(epoch_row(number + 1, val_loss=loss) for number, loss in enumerate(losses))


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 0},
        {"patience": 1, "cooldown": 3},
        {"patience": 1, "threshold": 0.1},
        {"patience": 1, "minimum": 0.05},
        {},
    ],
    ids=str,
)
def test_plateau_is_torch_s(options: dict[str, float]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    named = {{"minimum": "min_lr"}.get(key, key): value for key, value in options.items()}
    schedule = ReduceLROnPlateau(optimizer, factor=0.3, eps=0, **named)
    plateau = Plateau.from_parameters({"gamma": 0.3, **options})
    for epoch, loss in enumerate(LOSSES, start=1):
        schedule.step(loss)
        at = Moment(epoch * 7, 7 * 30, epoch, 30, rows(LOSSES[:epoch]))
        assert plateau.factor(at) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_a_range_test_rises_by_the_same_ratio_from_least_to_most() -> None:
    factors = [LrRange(least=1e-4, most=10).factor(moment(step, 51, 3)) for step in range(51)]
    assert (factors[0], factors[-1]) == pytest.approx((1e-4, 10))
    ratios = [after / before for before, after in pairwise(factors)]
    assert ratios == pytest.approx([1e5 ** (1 / 50)] * 50)


SCHEDULES: list[tuple[type[Schedule], type, dict[str, object]]] = [
    (Constant, ConstantLR, {"factor": 1.0, "total_iters": 0}),
    (Cosine, CosineAnnealingLR, {"T_max": 40}),
    (Step, MultiStepLR, {"milestones": [20, 30]}),
    (OneCycle, OneCycleLR, {"max_lr": 1.0, "total_steps": 40, "cycle_momentum": False}),
]


@pytest.mark.parametrize("warm_up", [0.3, 0.5, 1.0, 4.0])
@pytest.mark.parametrize(("kind", "scheduler", "options"), SCHEDULES, ids=lambda part: getattr(part, "name", ""))
def test_warm_up_is_torch_s_straight_line_times_any_schedule(
    kind: type[Schedule], scheduler: type, options: dict[str, object], warm_up: float
) -> None:
    count = int(10 * warm_up)
    factors = [kind(warm_up=warm_up).factor_after_warm_up(moment(step, 40, 4)) for step in range(40)]
    line = torch_rates(LinearLR, 40, start_factor=1 / count, total_iters=count - 1)
    expected = [rise * rate for rise, rate in zip(line, torch_rates(scheduler, 40, **options), strict=True)]
    assert factors == pytest.approx(expected)


def test_warm_up_of_a_plateau_ends_while_validation_goes_on_counting() -> None:
    plateau = Plateau(patience=1, gamma=0.5, warm_up=2)
    assert plateau.factor_after_warm_up(Moment(0, 40, 0, 4, ())) == pytest.approx(1 / 20)
    assert plateau.factor_after_warm_up(Moment(29, 40, 2, 4, rows([1.0, 1.0]))) == 1.0
    assert plateau.factor_after_warm_up(Moment(30, 40, 3, 4, rows([1.0, 1.0, 1.0]))) == 0.5


def test_no_warm_up_is_the_schedule_alone_and_keeps_the_identity() -> None:
    at = moment(0, 40, 4)
    assert Cosine().factor_after_warm_up(at) == Cosine().factor(at)
    assert "warm_up" not in Cosine().canonical() + Protocol(schedule=Cosine()).canonical()
    warm = Protocol(schedule=Cosine(warm_up=2.0))
    assert '"warm_up":2.0' in warm.canonical()
    assert warm.digest() != Protocol(schedule=Cosine()).digest()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("one_cycle", {"pct_start": 0.0}),
        ("one_cycle", {"pct_start": 0.6, "three_phase": True}),
        ("one_cycle", {"div_factor": 0.5}),
        ("one_cycle", {"anneal_strategy": "cosine"}),
        ("plateau", {"gamma": 1.0}),
        ("plateau", {"patience": -1}),
        ("plateau", {"patience": 1.5}),
        ("lr_range", {"least": 0.0}),
        ("lr_range", {"least": 10.0, "most": 10.0}),
        ("lr_range", {"warm_up": 1.0}),
        ("cosine", {"warm_up": -1.0}),
        ("constant", {"warm_up": math.nan}),
    ],
    ids=str,
)
def test_impossible_schedules_are_refused(name: str, parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        registry.get("schedule", name).from_parameters(parameters)


def test_a_warm_up_that_does_not_end_is_refused_with_the_protocol() -> None:
    with pytest.raises(ValidationError, match=r"a warm_up of 6 epochs is longer than a training of 5"):
        Protocol.from_parameters({"epochs": 5, "schedule": {"name": "cosine", "warm_up": 6}})
    assert Protocol.from_parameters({"epochs": 5, "schedule": {"name": "cosine", "warm_up": 5}}).schedule.warm_up == 5
