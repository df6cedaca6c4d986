"""Stacked nets beside each of them alone, and what cannot be stacked."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.trainables.fusion.nets import CLASSES, MODELS, SHAPE, built, laid
from trainables.errors import CannotFuse
from trainables.fusion.layers import stacked
from trainables.models.mlp import Mlp

WIDTH, BATCH = 4, 6
THERE = (0, 1, 3)
"""Places that somebody has."""


@pytest.fixture(autouse=True)
def in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recurrent nets ask for single precision, in which no test could tell a small fault from rounding."""
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)


@pytest.mark.parametrize("name", MODELS)
def test_outputs_gradients_and_buffers_are_those_of_each_net_alone(name: str) -> None:
    modules = [built(MODELS[name], seed, torch.float64) if seed in THERE else None for seed in range(WIDTH)]
    alone = copy.deepcopy(modules)
    stack = stacked(modules, [None] * WIDTH)
    inputs = torch.randn(WIDTH, BATCH, *SHAPE, dtype=torch.float64)
    targets = torch.randint(CLASSES, (WIDTH, BATCH))
    with stack.learning(THERE, ()):
        outputs = stack.forward(laid(inputs, stack.layout))
    each = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none").view(WIDTH, BATCH)
    stack.rows.differentiate(each.mean(dim=1).sum())
    for place in THERE:
        mine, other = modules[place], alone[place]
        assert mine is not None and other is not None
        expected = other(inputs[place].contiguous(memory_format=torch.channels_last))
        F.cross_entropy(expected, targets[place]).backward()  # type: ignore[no-untyped-call] # torch's
        torch.testing.assert_close(outputs[place], expected, rtol=0, atol=1e-12)
        for (of, got), (_, want) in zip(mine.named_parameters(), other.named_parameters(), strict=True):
            assert got.grad is not None and want.grad is not None
            torch.testing.assert_close(got.grad, want.grad, rtol=0, atol=1e-12, msg=of)
        for (of, have), (_, buffer) in zip(mine.named_buffers(), other.named_buffers(), strict=True):
            torch.testing.assert_close(have, buffer, rtol=0, atol=1e-12, msg=of)


@pytest.mark.parametrize("name", MODELS)
def test_an_evaluation_is_that_of_each_net_alone_and_changes_nothing(name: str) -> None:
    modules = [built(MODELS[name], seed, torch.float64) for seed in range(2)]
    for module in modules:  # statistics that are not those at the start
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
    before = [copy.deepcopy(module.state_dict()) for module in modules]
    expected = [copy.deepcopy(module).eval() for module in modules]
    stack = stacked(modules, [None, None])
    inputs = torch.randn(2, BATCH, *SHAPE, dtype=torch.float64)
    with stack.evaluating():
        outputs = stack.forward(laid(inputs, stack.layout))
    for place, module in enumerate(expected):
        want = module(inputs[place].contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(outputs[place], want, rtol=0, atol=1e-12)
        for key, value in modules[place].state_dict().items():
            assert torch.equal(value, before[place][key]), key


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("width", "batch"), [(2, 16), (3, 33), (5, 5), (8, 2)])
def test_what_a_place_has_does_not_depend_on_the_place_or_the_others_to_the_bit(
    name: str, width: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # in single precision, as it is used
    own, target = torch.randn(batch, *SHAPE), torch.randint(CLASSES, (batch,))
    seen: list[list[Tensor]] = []
    for place in range(width):
        modules: list[nn.Module | None] = [built(MODELS[name], 50 + other) for other in range(width)]
        if place % 2:
            modules[place - 1] = None
        modules[place] = mine = built(MODELS[name], 7)
        inputs = torch.randn(width, batch, *SHAPE) * 10**place
        inputs[place], targets = own, torch.randint(CLASSES, (width, batch))
        targets[place] = target
        stack = stacked(modules, [None] * width)
        with stack.learning([place], ()):
            outputs = stack.forward(laid(inputs, stack.layout))
        each = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none").view(width, batch)
        stack.rows.differentiate(each.mean(dim=1).sum())
        gradients = [parameter.grad.clone() for parameter in mine.parameters() if parameter.grad is not None]
        seen.append([outputs[place].detach(), *gradients, *mine.buffers()])
    for other in seen[1:]:
        assert len(other) > 2 and all(torch.equal(*pair) for pair in zip(seen[0], other, strict=True))


def test_who_does_not_learn_from_a_pass_keeps_its_statistics() -> None:
    modules = [built(MODELS["cnn, batch norm"], seed) for seed in range(2)]
    stack = stacked(modules, [None, None])
    before = copy.deepcopy(modules[1].state_dict())
    with stack.learning([0], [1]):
        stack.forward(laid(torch.randn(2, BATCH, *SHAPE), stack.layout))
    assert all(torch.equal(value, before[key]) for key, value in modules[1].state_dict().items())
    counts = [buffer for name, buffer in modules[0].named_buffers() if name.endswith("num_batches_tracked")]
    assert [int(count) for count in counts] == [1, 1]


def _shared() -> nn.Module:
    first = nn.Linear(4, 4)
    second = nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(nn.Flatten(), first, second)


def _hooked() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    net[1].register_forward_hook(lambda module, inputs, output: output * 2)
    return net


def _replaced() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    net[1].forward = lambda inputs: inputs  # type: ignore[method-assign,assignment] # as users do
    return net


def _frozen() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    net[1].bias.requires_grad = False  # type: ignore[union-attr] # it has one
    return net


class _Counting(nn.Linear):
    """A layer of somebody's own: it has a buffer of whole numbers, and a pass that nobody else knows."""

    def __init__(self) -> None:
        super().__init__(4, 2)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_shared, "share a parameter"),
        (_hooked, "1.Linear has hooks"),
        (_replaced, "1.Linear has hooks, or a pass that was put in its place"),
        (_frozen, "its parameter 1.bias does not learn"),
        (lambda: nn.Sequential(nn.Flatten(), _Counting()), "1._Counting is a layer that cannot be stacked"),
        (lambda: nn.Sequential(nn.Flatten(), nn.PReLU(), nn.Linear(4, 2)), "1.PReLU is a layer that cannot be stacked"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")), "pads with reflect"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, momentum=None)), "running statistics"),
        (lambda: nn.Sequential(nn.Flatten(), nn.LSTM(4, 2, num_layers=2, batch_first=True)), "has layers"),
        (lambda: nn.Sequential(nn.Flatten(), nn.RNN(4, 2, nonlinearity="relu", batch_first=True)), "non-linearity"),
        (lambda: nn.Sequential(nn.ReLU()), "no parameters"),
    ],
)
def test_what_cannot_be_stacked_is_refused_and_never_computed_as_something_else(
    make: Callable[[], nn.Module], says: str
) -> None:
    with pytest.raises(CannotFuse, match=says):
        stacked([make(), make()], [None, None])


def test_nets_of_other_sizes_do_not_fit_together() -> None:
    with pytest.raises(CannotFuse, match="same parameters"):
        stacked([built(Mlp(hidden=(4,)), 0), built(Mlp(hidden=(5,)), 0)], [None, None])
