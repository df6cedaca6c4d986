"""Learning rates over a training, against torch's own schedulers."""

import pytest
import torch
from pydantic import ValidationError
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

from trainables.schedule import Moment
from trainables.schedules.constant import Constant
from trainables.schedules.cosine import Cosine
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
