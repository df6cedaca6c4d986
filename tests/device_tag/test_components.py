"""Every component on a GPU that is a tag: nothing meets on two devices, and no step waits but where it may."""

import pytest
import torch

from tests.device_tag.allowed_waits import DATA_ON_THE_CPU, IN_STEPS
from tests.device_tag.cuda import device_tags
from tests.device_tag.tags import CPU, CUDA
from tests.device_tag.trials import tagged
from tests.device_tag.waits import Steps, WatchedContext
from tests.trainables import test_contract as contract
from tests.trainables.test_contract import ALL, OF_A_TRAINED_NET, Watch, made, place, spec_of
from trainables.component import Component
from trainables.dataset import DataLocation, Dataset
from trainables.errors import DataMissing
from trainables.interfaces import Optimizer
from trainables.models._conditional_gan import ConditionalGan, ConditionalGanSettings
from trainables.models.cnn import Cnn
from trainables.spec import TrialSpec, TrialTask
from trainables.training.trial import run_trial

__all__ = ["place"]  # the fixture: some images as users keep them

BATCH = {"digits": 400, "sgan": 16}
"""Of those that would take long, or have too few steps for what comes once in a while."""
LEARNING = [
    pytest.param(kind, name, marks=() if contract.is_small(name) else pytest.mark.slow)
    for kind, name in ALL
    if kind not in OF_A_TRAINED_NET
]


def component_of(kind: str, name: str, place: DataLocation) -> Component:
    if name == "moving_digits":
        return made(kind, name, examples=120)
    component = made(kind, name)
    if isinstance(component, Dataset) and "path" in type(component).model_fields:
        return contract.readable(type(component), place)
    return component


def task_of(spec: TrialSpec, place: DataLocation) -> TrialTask:
    return TrialTask(spec.trial_id, 1, spec, place, None)


@pytest.mark.parametrize(("kind", "name"), LEARNING)
def test_it_trains_on_one_device_and_waits_only_where_it_may(kind: str, name: str, place: DataLocation) -> None:
    component = component_of(kind, name, place)
    try:
        spec = spec_of(place, component, Watch(), epochs=2, batch_size=BATCH.get(name, 8 if kind == "dataset" else 22))
    except DataMissing as missing:
        assert name in str(missing)
        return
    if isinstance(component, Optimizer) and (reason := contract.refusal(component, spec, place)):
        assert name in reason
        return
    ran = tagged(task_of(spec, place))
    assert ran.mismatches == []
    assert ran.completed, ran.ended
    assert ran.steps.steps >= 2
    assert ran.sites == set(IN_STEPS.get(name, {})), str(ran.steps)
    # the mode leaves values as they are; torch's ASGD rounds otherwise on a GPU
    expected = losses_on_the_cpu(task_of(spec, place))
    assert ran.losses == [pytest.approx(expected, rel=1e-5 if name == "asgd" else 0, abs=0)]


def losses_on_the_cpu(trial_task: TrialTask) -> list[float]:
    context = WatchedContext(Steps(), CPU)
    run_trial(trial_task, context)
    return [row.train_loss for row in context.rows]


def test_the_steps_of_the_gan_that_makes_images_do_not_wait() -> None:
    steps = Steps()
    with device_tags(steps) as mode:
        gan = ConditionalGan(3, (1, 8, 8), ConditionalGanSettings((4,), 6, 5, 8, 1e-3), CUDA)
        gan.train(torch.zeros(20, 1, 8, 8, device=CUDA), torch.zeros(20, dtype=torch.int64, device=CUDA), steps.check)
    assert mode.mismatches == []
    assert steps.steps == 4 and steps.in_steps == [], str(steps)


def test_data_that_do_not_fit_stay_on_the_cpu_and_are_copied_batch_by_batch(
    place: DataLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.data.batches._SHARE_OF_FREE_MEMORY", 0.0)
    ran = tagged(task_of(spec_of(place, Cnn(channels=(4,)), Watch(), epochs=2), place))
    assert ran.mismatches == [] and ran.completed, ran.ended
    assert ran.sites == set(DATA_ON_THE_CPU), str(ran.steps)
