"""Penalties and decay of weights against plain torch."""

import copy

import pytest
import torch
from torch import nn

from trainables.context import SingleContext
from trainables.dataset import DataInfo
from trainables.interfaces import Optimizer, Regularizer, TrainingFacts
from trainables.optimizers.adam import Adam
from trainables.optimizers.rmsprop import RmsProp
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.regularizers.decoupled_weight_decay import DecoupledWeightDecay
from trainables.regularizers.l1 import L1
from trainables.tasks.classification import Classification
from trainables.training.learner import LearnerParts, SupervisedLearner

DATA = DataInfo("images", "image", (1, 4, 4), "classification", ("a", "b", "c"))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))


def learner_of(module: nn.Module, optimizer: Optimizer, *regularizers: Regularizer) -> SupervisedLearner:
    context = SingleContext(torch.device("cpu"), print)
    facts = TrainingFacts((1, 1, 1))
    return SupervisedLearner(
        LearnerParts(module, DATA, Classification(), optimizer, regularizers, Protocol(), context, facts)
    )


def batches(count: int = 6) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(9, 1, 4, 4, generator=generator), torch.arange(9) % 3) for _ in range(count)]


def test_adam_with_decoupled_weight_decay_is_torch_s_adamw_under_a_schedule() -> None:
    module, reference = network(), network()
    learner = learner_of(module, Adam(lr=0.01), DecoupledWeightDecay(value=0.3))
    weights = [parameter for parameter in reference.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in reference.parameters() if parameter.ndim == 1]
    adamw = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 0.3}, {"params": others, "weight_decay": 0.0}], lr=0.01
    )
    for (inputs, targets), factor in zip(batches(), (0.1, 0.5, 1.0, 1.0, 0.7, 0.2), strict=True):
        learner.set_lr_factor(factor)
        learner.step(inputs, targets)
        for group in adamw.param_groups:
            group["lr"] = 0.01 * factor
        adamw.zero_grad()
        nn.functional.cross_entropy(reference(inputs), targets).backward()
        adamw.step()
    for ours, torchs in zip(module.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, torchs, atol=1e-7, rtol=1e-6)


class _Still(nn.Module):
    """Its weights take part and have no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.full((3, 16), 2.0)), nn.Parameter(torch.ones(3))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1) @ (self.weight * 0).T + self.bias * 0


@pytest.mark.parametrize("optimizer", [Sgd(lr=0.2, momentum=0.9), Adam(lr=0.2), RmsProp(lr=0.2, momentum=0.5)])
def test_a_weight_without_gradient_decays_by_lr_times_value_under_every_optimizer(optimizer: Optimizer) -> None:
    module = _Still()
    learner = learner_of(module, optimizer, DecoupledWeightDecay(value=0.1))
    expected = 2.0
    for (inputs, targets), factor in zip(batches(3), (1.0, 0.5, 0.0), strict=True):
        learner.set_lr_factor(factor)
        learner.step(inputs, targets)
        expected *= 1 - 0.2 * factor * 0.1
    torch.testing.assert_close(module.weight.detach(), torch.full((3, 16), expected))
    assert torch.equal(module.bias.detach(), torch.ones(3)), "biases do not decay"


def test_decoupled_decay_is_not_the_penalty_in_the_gradient_under_adam() -> None:
    """There the gradient of the penalty is divided by its own size: the reason why the paper takes it out."""
    from trainables.regularizers.weight_decay import WeightDecay

    shrunk = {}
    for regularizer in (WeightDecay(value=0.1), DecoupledWeightDecay(value=0.1)):
        module = _Still()
        learner_of(module, Adam(lr=0.2), regularizer).step(*batches(1)[0])
        shrunk[regularizer.name] = 2 - float(module.weight[0, 0].detach())
    assert shrunk["weight_decay"] == pytest.approx(0.2, rel=1e-4), "a whole step of Adam, whatever the value"
    assert shrunk["decoupled_weight_decay"] == pytest.approx(0.2 * 0.1 * 2, rel=1e-4)


def test_l1_is_the_gradient_of_the_sum_of_absolute_weights() -> None:
    module, reference = network().double(), network().double()
    learner = learner_of(module, Sgd(lr=0.05), L1(value=0.01))
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.05)
    for inputs, targets in batches():
        learner.step(inputs.double(), targets)
        optimizer.zero_grad()
        penalty = sum(parameter.abs().sum() for parameter in reference.parameters() if parameter.ndim > 1)
        (nn.functional.cross_entropy(reference(inputs.double()), targets) + 0.01 * penalty).backward()
        optimizer.step()
    for ours, torchs in zip(module.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, torchs, atol=1e-6, rtol=1e-6)


def test_l1_leaves_zero_and_parameters_without_a_gradient_alone() -> None:
    layer = nn.Linear(2, 2)
    L1().on_gradients(list(layer.parameters()))
    assert layer.weight.grad is None
    with torch.no_grad():
        layer.weight.zero_()
    layer.weight.grad = torch.zeros(2, 2)
    L1(value=1.0).on_gradients(list(layer.parameters()))
    assert not layer.weight.grad.any()


def test_frozen_weights_do_not_decay() -> None:
    module = network()
    first = next(module.parameters())
    first.requires_grad_(False)
    before = copy.deepcopy(first)
    learner_of(module, Sgd(), DecoupledWeightDecay(value=1.0), L1(value=1.0)).step(*batches(1)[0])
    assert torch.equal(first, before)
