"""Trials that train in one stack, on a GPU that is a tag: on one device, without waiting, and with the losses of the CPU."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.device_tag.trials import tagged_stack
from tests.trainables.few import FewDigits
from tests.trainables.training.test_fused_trial import (
    MODELS,
    OPTIMIZERS,
    REGULARIZERS,
    Member,
    place,
    task_of,
    together,
)
from trainables.dataset import DataLocation
from trainables.interfaces import Model, Optimizer
from trainables.models.cnn import Cnn
from trainables.models.resnet import Resnet
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol
from trainables.registry import registry
from trainables.regularizers.dropout import Dropout
from trainables.regularizers.early_stopping import EarlyStopping
from trainables.regularizers.mixup import Mixup
from trainables.regularizers.stochastic_depth import StochasticDepth
from trainables.spec import TrialSpec, TrialTask

__all__ = ["place"]  # the fixture: where nothing is read from
ELEMENTWISE = [name for name in registry.names("optimizer") if registry.get("optimizer", name).elementwise]  # type: ignore[attr-defined] # an optimizer's
WITH_STEPS_OF_ITS_OWN = "asgd"
"""On a GPU, where torch computes its rates on the device."""


def stack_of(place: DataLocation, model: Model, members: Sequence[Member], **protocol: Any) -> list[TrialTask]:
    """Trials of 64 examples: two epochs of three steps."""
    data = FewDigits()
    tasks = []
    for seed, (optimizer, regularizers, own) in enumerate(members):
        settings = Protocol.from_parameters({"epochs": 2, "fuse": 8, "batch_size": 22, **protocol, **own})
        spec = TrialSpec(data, model, optimizer, regularizers, settings, seed, data.fingerprint(place))
        tasks.append(TrialTask(spec.trial_id, 1, spec, place, None))
    return tasks


def expect_no_waits(trial_tasks: Sequence[TrialTask], *, as_on_the_cpu: bool = True) -> None:
    ran = tagged_stack(trial_tasks)
    assert ran.mismatches == []
    assert ran.completed, ran.ended
    assert ran.steps.steps >= 2
    assert ran.waits == [], str(ran.steps)
    if as_on_the_cpu:
        on_the_cpu = together(trial_tasks)
        assert ran.losses == [[row.train_loss for row in outcome.rows] for outcome in on_the_cpu]


@pytest.mark.parametrize("members", [OPTIMIZERS, REGULARIZERS], ids=["optimizers", "regularizers"])
@pytest.mark.parametrize("name", MODELS)
def test_no_step_of_a_stack_waits(place: DataLocation, name: str, members: Sequence[Member]) -> None:
    expect_no_waits(stack_of(place, MODELS[name], members))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_no_optimizer_has_its_row_wait(place: DataLocation, name: str) -> None:
    optimizer = registry.get("optimizer", name).from_parameters({})
    assert isinstance(optimizer, Optimizer)
    members: list[Member] = [(optimizer, (), {}), (optimizer, (Dropout(),), {"clip": 0.5})]
    expect_no_waits(stack_of(place, MODELS["mlp"], members, fuse=2), as_on_the_cpu=name != WITH_STEPS_OF_ITS_OWN)


def test_places_that_have_no_batch_keep_what_they_have_without_a_wait(place: DataLocation) -> None:
    """Folds of unequal sizes: at the end of an epoch some have a batch, and others' statistics come out as they were."""
    data = {"folds": 4, "label_noise": 0.3}
    member: Member = (Adam(lr=0.01), (), {})
    model = Cnn(channels=(4,), batch_norm=True)
    trial_tasks = [task_of(place, model, member, seed, data=data, batch_size=269, epochs=2) for seed in range(4)]
    expect_no_waits(trial_tasks)


def test_places_that_come_to_their_end_have_the_others_go_on_without_a_wait(place: DataLocation) -> None:
    members: list[Member] = [
        (Adam(lr=1e-9), (EarlyStopping(patience=1, min_delta=0.5),), {}),
        (Adam(), (StochasticDepth(p=0.5), Mixup()), {}),
        (Adam(), (StochasticDepth(p=0.2),), {}),
    ]
    expect_no_waits(stack_of(place, Resnet(depth=8, width=4), members, epochs=4))


@pytest.mark.parametrize("frames", [0, 3])
def test_numbers_are_learnt_without_a_wait_too(place: DataLocation, frames: int) -> None:
    data = FewDigits(frames=frames, task="regression")
    trial_tasks = []
    for trial_task in stack_of(place, MODELS["lstm"], [(Adam(), (), {})] * 2):
        spec = replace(trial_task.spec, dataset=data)
        trial_tasks.append(TrialTask(spec.trial_id, 1, spec, place, None))
    expect_no_waits(trial_tasks)


def test_data_that_do_not_fit_are_gathered_on_the_cpu(place: DataLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.data.batches._SHARE_OF_FREE_MEMORY", 0.0)
    ran = tagged_stack(stack_of(place, MODELS["cnn"], REGULARIZERS[:4]))
    assert ran.mismatches == [] and ran.completed, ran.ended
    assert {site.file for site in ran.sites} <= {"trainables/data/batches.py", "trainables/training/fused/batches.py"}
