"""Faults that were put in on purpose, as a component's author might: each is found, in a trial alone and in a stack."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tests.device_tag.mode import RefusedByGpuError
from tests.device_tag.trials import Ran, tagged, tagged_stack
from tests.device_tag.waits import Site
from tests.trainables.few import FewDigits
from trainables.dataset import DataLocation
from trainables.interfaces import Loss, Regularizer, TrainingFacts
from trainables.models.mlp import Mlp
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol
from trainables.spec import TrialSpec, TrialTask

THIS_FILE = "tests/device_tag/test_planted.py"


class _MaskOfTheCpu(Regularizer):
    name: ClassVar[str] = "mask_of_the_cpu"

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return inputs * torch.ones(inputs.shape[-1]), targets


class _GeneratorOfTheCpu(Regularizer):
    name: ClassVar[str] = "generator_of_the_cpu"

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        noise = torch.rand(inputs.shape, generator=torch.Generator().manual_seed(0), device=inputs.device)
        return inputs.float() / 255 + noise, targets


class _Numpy(Regularizer):
    name: ClassVar[str] = "numpy"

    def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.numpy()


class _WeightsOfTheCpu(Regularizer):
    name: ClassVar[str] = "weights_of_the_cpu"

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        weights = torch.ones(len(facts.class_counts))
        return lambda outputs, targets: loss(outputs * weights, targets)


class _Item(Regularizer):
    name: ClassVar[str] = "item"

    def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        next(iter(parameters)).square().sum().item()


class _Upload(Regularizer):
    name: ClassVar[str] = "upload"

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        def weighed(outputs: Tensor, targets: Tensor) -> Tensor:
            return loss(outputs * torch.tensor([1.0] * outputs.shape[1], device=outputs.device), targets)

        return weighed


class _MaskAsAnIndex(Regularizer):
    name: ClassVar[str] = "mask_as_an_index"

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        dark = inputs[inputs.flatten(1).sum(1) < 0]
        return (inputs if len(dark) == 0 else dark), targets


REFUSED = {
    "a tensor on the wrong device": (_MaskOfTheCpu(), "mul of tensors on several devices"),
    "weights that were left behind": (_WeightsOfTheCpu(), "mul of tensors on several devices"),
    "a generator of the CPU": (_GeneratorOfTheCpu(), "draws from a generator of cpu"),
    "numpy": (_Numpy(), "numpy of a tensor on cuda"),
}
WAITING = {
    "a value that is asked for": (_Item(), "on_gradients", "item"),
    "an upload": (_Upload(), "weighed", "tensor"),
    "a mask as an index": (_MaskAsAnIndex(), "on_batch", "a mask as an index"),
}


def alone(*trial_tasks: TrialTask) -> Ran:
    return tagged(trial_tasks[0])


def in_a_stack(*trial_tasks: TrialTask) -> Ran:
    return tagged_stack(trial_tasks)


WAYS: dict[str, tuple[Callable[..., Ran], int]] = {"alone": (alone, 1), "in a stack": (in_a_stack, 2)}
"""How it runs, and `protocol.fuse`."""


def ran_with(regularizer: Regularizer, way: str, folder: Path) -> Ran:
    run, fuse = WAYS[way]
    place, data = DataLocation(data=None, beside=None, cache=folder), FewDigits()
    protocol = Protocol.from_parameters({"epochs": 2, "batch_size": 16, "fuse": fuse})
    specs: list[Any] = [
        TrialSpec(data, Mlp(hidden=(8,)), Adam(), kept, protocol, seed, data.fingerprint(place))
        for seed, kept in enumerate([(regularizer,), ()])
    ]
    return run(*(TrialTask(spec.trial_id, 1, spec, place, None) for spec in specs))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_a_gpu_refuses_is_found(name: str, way: str, tmp_path: Path) -> None:
    regularizer, message = REFUSED[name]
    ran = ran_with(regularizer, way, tmp_path)
    assert isinstance(ran.ended[0], RefusedByGpuError)
    assert len(ran.mismatches) == 1 and message in ran.mismatches[0] and THIS_FILE in ran.mismatches[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", WAITING)
def test_what_has_each_step_wait_is_found_with_its_file_and_function(name: str, way: str, tmp_path: Path) -> None:
    regularizer, function, what = WAITING[name]
    ran = ran_with(regularizer, way, tmp_path)
    assert ran.completed and ran.mismatches == []
    assert ran.sites == {Site(THIS_FILE, function)}
    assert {wait.what for wait in ran.waits} == {what}
    assert len(ran.waits) >= 3, "once in each step but the last"


@pytest.mark.parametrize("way", WAYS)
def test_without_a_fault_none_is_found(way: str, tmp_path: Path) -> None:
    class Quiet(Regularizer):
        name: ClassVar[str] = "quiet"

        def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
            next(iter(parameters)).square().sum()

    ran = ran_with(Quiet(), way, tmp_path)
    assert ran.completed and ran.mismatches == [] and ran.waits == []
