"""torch's recurrent layers, stacked: each step of all places at once."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from trainables.errors import CannotFuse
from trainables.fusion.placeless import linear, sigmoid
from trainables.fusion.stack import Layer, Parts, Stack, first_of

_Step = Callable[[Tensor, Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]
"""What a step's inputs and the last state give of each gate, and the state, to the next state."""


def recurrent(parts: Parts, stack: Stack, path: str) -> Layer:
    """(width, batch, steps, numbers) to (width, batch, steps, states), as torch.nn.RNN, GRU and LSTM compute them.

    Raises CannotFuse: the layer is stacked on itself, or drops out between steps.
    """
    first = first_of(parts)
    assert isinstance(first, nn.RNNBase)
    plain = first.num_layers == 1 and first.bias and first.batch_first and not first.dropout and not first.proj_size
    if not plain or getattr(first, "nonlinearity", "tanh") != "tanh":
        raise CannotFuse(f"{path}{type(first).__name__} has layers, a dropout or a non-linearity of its own")
    suffixes = ("", "_reverse") if first.bidirectional else ("",)
    ways = [_one_way(stack, path, suffix, _STEPS[type(first)]) for suffix in suffixes]

    def forward(steps: Tensor) -> Tensor:
        return torch.cat([way(steps) for way in ways], dim=-1) if len(ways) > 1 else ways[0](steps)

    return forward


def _one_way(stack: Stack, path: str, suffix: str, step: _Step) -> Layer:
    """suffix: of the names of the parameters that read in this direction."""
    of_inputs, of_state = (stack.leaf(f"{path}weight_{kind}_l0{suffix}") for kind in ("ih", "hh"))
    input_bias, state_bias = (stack.leaf(f"{path}bias_{kind}_l0{suffix}") for kind in ("ih", "hh"))
    backwards = bool(suffix)
    hidden = of_state.shape[-1]

    def forward(steps: Tensor) -> Tensor:
        width, batch, count, _ = steps.shape
        gates = linear(steps.flatten(1, 2), of_inputs, input_bias)
        gates = gates.view(width, batch, count, -1)
        state: tuple[Tensor, ...] = (steps.new_zeros(width, batch, hidden),) * 2
        states: list[Tensor] = []
        for at in reversed(range(count)) if backwards else range(count):
            state = step(gates[:, :, at], linear(state[0], of_state, state_bias), state)
            states.append(state[0])
        # steps after one another, as torch's layers leave them: dropout draws in that order
        return torch.stack(states[::-1] if backwards else states, dim=1).transpose(1, 2)

    return forward


def _rnn(inputs: Tensor, recalled: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (torch.tanh(inputs + recalled),)


def _lstm(inputs: Tensor, recalled: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    take, forget, new, show = (inputs + recalled).chunk(4, dim=-1)
    memory = sigmoid(forget) * state[1] + sigmoid(take) * torch.tanh(new)
    return sigmoid(show) * torch.tanh(memory), memory


def _gru(inputs: Tensor, recalled: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    reset, update, new = inputs.chunk(3, dim=-1)
    reset_recalled, update_recalled, new_recalled = recalled.chunk(3, dim=-1)
    kept = sigmoid(update + update_recalled)
    proposed = torch.tanh(new + sigmoid(reset + reset_recalled) * new_recalled)
    return (proposed + kept * (state[0] - proposed),)


_STEPS: Final[dict[type[nn.RNNBase], _Step]] = {nn.RNN: _rnn, nn.LSTM: _lstm, nn.GRU: _gru}
