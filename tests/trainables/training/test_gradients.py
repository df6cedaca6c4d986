"""Gradients are measured as they are and clipped to what the protocol says, against torch's own functions."""

import copy
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.context import SingleContext
from trainables.dataset import DataInfo
from trainables.interfaces import Optimizer, Regularizer, TrainingFacts
from trainables.models.mlp import Mlp
from trainables.optimizers.lbfgs import Lbfgs
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.registry import registry
from trainables.regularizers.weight_decay import WeightDecay
from trainables.tasks.classification import Classification
from trainables.training.learner import LearnerParts, SupervisedLearner, clip, gradients_of, total_norm

INFO = DataInfo("noise", "image", (1, 4, 4), "classification", ("a", "b", "c"))


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(12, 1, 4, 4, generator=generator), torch.randint(3, (12,), generator=generator)


def module_of(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Mlp(hidden=(7,)).build(INFO, 3)


def learner(module: nn.Module, optimizer: Optimizer, *regularizers: Regularizer, **settings: Any) -> SupervisedLearner:
    context = SingleContext(torch.device("cpu"), lambda row: None)
    protocol = Protocol(epochs=1, **settings)
    facts = TrainingFacts((4, 4, 4))
    return SupervisedLearner(
        LearnerParts(module, INFO, Classification(), optimizer, regularizers, protocol, context, facts)
    )


def gradients(module: nn.Module) -> list[Tensor]:
    inputs, targets = batch()
    nn.functional.cross_entropy(module(inputs), targets).backward()
    return gradients_of(module.parameters())


def test_the_norm_is_that_of_all_gradients_as_one_vector() -> None:
    module = module_of()
    found = gradients(module)
    assert float(total_norm(found)) == pytest.approx(float(torch.cat([part.flatten() for part in found]).norm()))
    assert float(total_norm(found)) == pytest.approx(float(nn.utils.get_total_norm(found)))
    assert float(total_norm([])) == 0


@pytest.mark.parametrize("most", [1e-3, 0.1, 1e3])
def test_gradients_are_clipped_as_torch_does_it(most: float) -> None:
    ours, theirs = module_of(), module_of()
    found = gradients(ours)
    clip(found, total_norm(found), most)
    gradients(theirs)
    nn.utils.clip_grad_norm_(theirs.parameters(), most)
    for mine, torch_s in zip(found, gradients_of(theirs.parameters()), strict=True):
        torch.testing.assert_close(mine, torch_s)


def test_a_step_is_measured_before_it_is_clipped_and_learnt_after() -> None:
    inputs, targets = batch()
    plain, clipped = module_of(), module_of()
    free, bound = learner(plain, Sgd(lr=1.0)), learner(clipped, Sgd(lr=1.0), clip=0.01)
    free.measures_gradients = bound.measures_gradients = True
    norm, same = (each.step(inputs, targets).gradient_norm for each in (free, bound))
    assert norm is not None and same is not None
    assert float(norm) == float(same) > 0.01
    for start, moved, held in zip(module_of().parameters(), plain.parameters(), clipped.parameters(), strict=True):
        torch.testing.assert_close(held - start, (moved - start) * 0.01 / norm, rtol=1e-3, atol=1e-7)
    moved_by = torch.cat(
        [(a - b).detach().flatten() for a, b in zip(clipped.parameters(), module_of().parameters(), strict=True)]
    )
    assert float(moved_by.norm()) == pytest.approx(0.01, rel=1e-3)


def test_what_regularizers_add_to_the_gradients_is_measured_and_clipped_too() -> None:
    inputs, targets = batch()
    penalised, by_hand = learner(module_of(), Sgd(lr=1.0), WeightDecay(value=10.0), clip=0.5), module_of()
    penalised.measures_gradients = True
    found = penalised.step(inputs, targets)
    nn.functional.cross_entropy(by_hand(inputs), targets).backward()
    for weight in by_hand.parameters():
        if weight.ndim > 1:
            weight.grad += 10 * weight.detach()
    expected = nn.utils.clip_grad_norm_(by_hand.parameters(), 0.5)
    torch.optim.SGD(by_hand.parameters(), lr=1.0).step()
    assert found.gradient_norm is not None
    assert float(found.gradient_norm) == pytest.approx(float(expected))
    for mine, torch_s in zip(penalised.module.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(mine, torch_s)


def test_a_step_that_is_not_asked_for_its_gradients_has_no_norm() -> None:
    assert learner(module_of(), Sgd()).step(*batch()).gradient_norm is None


def test_gradients_without_a_number_are_reported_and_raise_nothing() -> None:
    inputs, targets = batch()
    for settings in ({}, {"clip": 1.0}):
        broken = learner(module_of(), Sgd(), **settings)
        broken.measures_gradients = True
        norm = broken.step(inputs * float("nan"), targets).gradient_norm
        assert norm is not None and not torch.isfinite(norm)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "1"])
def test_an_impossible_clip_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        Protocol.from_parameters({"clip": value})


def test_a_protocol_without_a_clip_has_the_identity_that_it_had() -> None:
    assert "clip" not in Protocol().canonical()
    assert "clip" in Protocol(clip=1.0).canonical()


def test_lbfgs_learns_what_torch_s_does_with_a_closure_of_one_s_own() -> None:
    ours, theirs = module_of(), module_of()
    searching = learner(ours, Lbfgs(max_iter=5))
    optimizer = torch.optim.LBFGS(theirs.parameters(), max_iter=5, line_search_fn="strong_wolfe")
    for seed in range(3):
        inputs, targets = batch(seed)
        before = nn.functional.cross_entropy(theirs(inputs), targets).item()

        def closure(inputs: Tensor = inputs, targets: Tensor = targets) -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(theirs(inputs), targets)
            loss.backward()
            return loss

        optimizer.step(closure)
        assert float(searching.step(inputs, targets).loss) / len(inputs) == pytest.approx(before)
    for mine, torch_s in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, torch_s)


def test_all_evaluations_of_a_step_have_the_same_dropout() -> None:
    """With one draw for the whole step the loss of the line search falls; what comes after draws anew."""
    dropout = registry.get("regularizer", "dropout")(p=0.5)
    assert isinstance(dropout, Regularizer)
    seen: list[Tensor] = []

    class Seen(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            seen.append(torch.rand(3))
            return inputs

    searching = learner(nn.Sequential(Seen(), module_of()), Lbfgs(max_iter=4), dropout)
    searching.step(*batch())
    first = len(seen)
    searching.step(*batch())
    assert first > 2 and len(seen) > first + 2
    assert all(torch.equal(draw, seen[0]) for draw in seen[:first])
    assert all(torch.equal(draw, seen[first]) for draw in seen[first:])
    assert not torch.equal(seen[0], seen[first])


def test_a_step_leaves_the_random_state_where_one_evaluation_leaves_it() -> None:
    dropout = registry.get("regularizer", "dropout")(p=0.5)
    assert isinstance(dropout, Regularizer)
    states = []
    for optimizer in (Sgd(), Lbfgs(max_iter=4)):
        stepped = learner(copy.deepcopy(module_of()), optimizer, dropout)
        torch.manual_seed(3)
        stepped.step(*batch())
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
