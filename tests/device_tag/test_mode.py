"""The mode itself: what a GPU refuses it refuses, what a GPU waits for it counts, and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.device_tag.cuda import device_tags
from tests.device_tag.mode import RefusedByGpuError
from tests.device_tag.tags import CPU, CUDA

Case = Callable[[Tensor, Tensor], Any]
"""Of a tensor (3, 4) on the device and one like it on the CPU."""

REFUSED: dict[str, Case] = {
    "sum of two devices": lambda there, here: there + here,
    "in place": lambda there, here: there.add_(here),
    "joined": lambda there, here: torch.cat([there, here]),
    "stacked numbers": lambda there, here: torch.stack([there.sum(), here.sum()]),
    "matrix product": lambda there, here: there @ here.T,
    "layer on the CPU": lambda there, here: nn.Linear(4, 2)(there),
    "index_select": lambda there, here: there.index_select(0, torch.tensor([1])),
    "an index on the device": lambda there, here: here[there[0].long()],
    "values of the CPU put in": lambda there, here: there.__setitem__(slice(None), here),
    "a number of the device beside the CPU": lambda there, here: here * there.sum(),
    "foreach": lambda there, here: torch._foreach_add([there], [here]),
    "numpy": lambda there, here: there.numpy(),
    "asarray": lambda there, here: np.asarray(there),
    "generator of the CPU": lambda there, here: torch.rand(3, generator=torch.Generator(), device=CUDA),
    "generator of the CPU, in place": lambda there, here: there.bernoulli_(0.5, generator=torch.Generator()),
    "generator of the device": lambda there, here: torch.rand(3, generator=torch.Generator(CUDA)),
    "gradient of the CPU": lambda there, here: setattr(nn.Parameter(there), "grad", here),
    "on the way back": lambda there, here: way_back(_Mixing, there),
    "loss of labels of the CPU": lambda there, here: F.cross_entropy(there, torch.tensor([0, 1, 2])),
}
WAITING: dict[str, tuple[Case, int]] = {
    "item": (lambda there, here: there.sum().item(), 1),
    "float": (lambda there, here: float(there.sum()), 1),
    "if": (lambda there, here: bool((there > 0).all()), 1),
    "tolist": (lambda there, here: there.tolist(), 1),
    "cpu": (lambda there, here: there.cpu(), 1),
    "to the CPU": (lambda there, here: there.to("cpu"), 1),
    "to the device": (lambda there, here: here.to(CUDA), 1),
    "like another": (lambda there, here: here.to(there), 1),
    "a layer moved": (lambda there, here: nn.Linear(4, 2).to(CUDA), 2),
    "copied over": (lambda there, here: there.copy_(here), 1),
    "tensor of numbers": (lambda there, here: torch.tensor([1, 2], device=CUDA), 1),
    "new_tensor": (lambda there, here: there.new_tensor([1.0]), 1),
    "as_tensor": (lambda there, here: torch.as_tensor(2.0, device=CUDA), 1),
    "a list as an index": (lambda there, here: there[[0, 2]], 1),
    "an index of the CPU": (lambda there, here: there[torch.tensor([0, 2])], 1),
    "a mask": (lambda there, here: there[there > 0], 1),
    "a number as an index": (lambda there, here: there[there.sum().long() * 0], 1),
    "nonzero": (lambda there, here: there.nonzero(), 1),
    "where": (lambda there, here: torch.where(there > 0), 1),
    "one_hot": (lambda there, here: F.one_hot(there.long()), 1),
    "bincount": (lambda there, here: torch.bincount(there[0].long()), 1),
    "synchronize": (lambda there, here: torch.cuda.synchronize(CUDA), 1),
    "on the way back": (lambda there, here: way_back(_Asking, there), 1),
    "by autograd.grad": (lambda there, here: gradient(_Asking, there), 1),
}
FREE: dict[str, Case] = {
    "a number of the CPU beside it": lambda there, here: there * here.sum(),
    "zeros": lambda there, here: torch.zeros(3, device=CUDA),
    "full": lambda there, here: torch.full((), 3.0, device=CUDA),
    "new_zeros": lambda there, here: there.new_zeros(3) + there[:, 0],
    "an index there": lambda there, here: there[torch.arange(2, device=CUDA)],
    "filled by a mask": lambda there, here: there.__setitem__(there > 0, 1.0),
    "one_hot of so many": lambda there, here: F.one_hot(there.long(), 3),
    "uploaded from pinned memory": lambda there, here: here.pin_memory().to(CUDA, non_blocking=True),
    "drawn there": lambda there, here: torch.rand(3, generator=torch.Generator(CUDA), device=CUDA),
    "shape and type": lambda there, here: (there.shape, there.dtype, len(there), there.ndim),
    "a value of the CPU": lambda there, here: here.sum().item(),
    "the way back": lambda there, here: torch.autograd.backward(there.requires_grad_().square().sum()),
}


def way_back(function: type[torch.autograd.Function], there: Tensor) -> None:
    torch.autograd.backward(function.apply(there.requires_grad_()).sum())


def gradient(function: type[torch.autograd.Function], there: Tensor) -> None:
    torch.autograd.grad(function.apply(there.requires_grad_()).sum(), there)


class _Mixing(torch.autograd.Function):
    """Whose way back meets the CPU."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        return inputs * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * torch.ones(4, device=CUDA) + torch.ones(4, device=CPU)


class _Asking(_Mixing):
    """Whose way back asks for a value."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * float((gradients[0] * torch.ones((), device=CUDA)).sum())


def both() -> tuple[Tensor, Tensor]:
    return torch.arange(12.0, device=CUDA).view(3, 4) % 3, torch.ones(3, 4)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_gpu_refuses_is_refused(name: str) -> None:
    with device_tags() as mode:
        tensors = both()
        with pytest.raises(RefusedByGpuError, match=r"test_mode\.py"):
            REFUSED[name](*tensors)
    assert len(mode.mismatches) == 1


@pytest.mark.parametrize("name", WAITING)
def test_what_a_gpu_is_waited_for_is_counted(name: str) -> None:
    act, count = WAITING[name]
    with device_tags() as mode:
        tensors = both()
        act(*tensors)
    waits = mode.steps.anywhere
    assert len(waits) == count and mode.mismatches == []
    assert {wait.site.file for wait in waits} == {"tests/device_tag/test_mode.py"}


@pytest.mark.parametrize("name", FREE)
def test_nothing_else_is(name: str) -> None:
    with device_tags() as mode:
        tensors = both()
        FREE[name](*tensors)
    assert mode.steps.anywhere == [] and mode.mismatches == []


def test_tags_follow_parameters_gradients_and_states_of_optimizers() -> None:
    with device_tags():
        module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).to(CUDA)
        optimizer = torch.optim.Adam(module.parameters(), fused=True)
        torch.autograd.backward(module(both()[0]).square().sum())
        optimizer.step()
        found = [*module.parameters(), *module.buffers()]
        found += [part.grad for part in module.parameters() if part.grad is not None]
        found += [value for state in optimizer.state.values() for value in state.values()]
        assert len(found) == 4 + 3 + 4 + 4 * 3
        assert {tensor.device for tensor in found} == {CUDA}
        assert {tensor.device for tensor in module.cpu().parameters()} == {CPU}


def test_values_are_those_of_the_cpu() -> None:
    def learnt(device: torch.device) -> list[float]:
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Linear(3, 2)).to(device)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        losses = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = module(torch.ones(8, 4, device=device)).square().mean()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).tolist()

    with device_tags():
        on_the_device = learnt(CUDA)
    assert on_the_device == learnt(CPU)


def test_all_is_as_it_was_afterwards() -> None:
    before = torch.Generator, torch.cuda.synchronize, torch.Tensor.__dict__.get("_make_subclass")
    with device_tags():
        assert torch.Generator is not before[0]
    assert before == (torch.Generator, torch.cuda.synchronize, torch.Tensor.__dict__.get("_make_subclass"))
    assert torch.zeros(1).device == CPU and isinstance(torch.ones(1).numpy(), np.ndarray)
