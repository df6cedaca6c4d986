"""Recurrent layers stacked on each other, and the classifier of their last state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.fusion.stack import Layer, Stack, first_of
from trainables.models._choices import Cell, Read
from trainables.models._layers import DropoutSite


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Sizes of recurrent layers stacked on each other."""

    cell: Cell
    hidden: int
    layers: int
    bidirectional: bool

    @property
    def features(self) -> int:
        """Numbers of a state, both ways together."""
        return self.hidden * (2 if self.bidirectional else 1)


class LastState(nn.Module):
    """Recurrent layers: (batch, steps, inputs) to the last state, (batch, features).

    Read both ways, that is the state after the last step beside the one that came backwards to the first.
    """

    def __init__(self, recurrence: Recurrence, inputs: int) -> None:
        super().__init__()
        self.recurrence = recurrence
        sizes = [inputs] + [recurrence.features] * (recurrence.layers - 1)
        self.layers = nn.ModuleList(_layer(recurrence, size) for size in sizes)
        self.dropouts = nn.ModuleList(DropoutSite() for _ in sizes)

    def forward(self, steps: Tensor) -> Tensor:
        states = steps
        for index, (layer, dropout) in enumerate(zip(self.layers, self.dropouts, strict=True), start=1):
            with torch.autocast("cpu", enabled=False):  # most CPUs have no kernel for these layers in bf16
                states, _ = layer(states.float())
            states = dropout(states if index < len(self.layers) else self._last(states))
        return states

    def _last(self, states: Tensor) -> Tensor:
        """(..., steps, features) to (..., features)."""
        if not self.recurrence.bidirectional:
            return states[..., -1, :]
        hidden = self.recurrence.hidden
        return torch.cat((states[..., -1, :hidden], states[..., 0, hidden:]), dim=-1)


class SequenceNetwork(LastState):
    """(batch, channels, height, width) or (batch, frames, channels, height, width) to (batch, outputs)."""

    def __init__(self, recurrence: Recurrence, inputs: int, read: Read, patch: int, outputs: int) -> None:
        super().__init__(recurrence, inputs)
        self.read, self.patch = read, patch
        self.head = nn.Linear(recurrence.features, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(super().forward(self._steps(inputs)))
        return outputs

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        net = first_of(parts)
        assert isinstance(net, cls)
        layers = [stack.child(parts, path, f"layers.{index}") for index in range(len(net.layers))]
        dropouts = [stack.child(parts, path, f"dropouts.{index}") for index in range(len(net.layers))]
        head, last, read = stack.child(parts, path, "head"), net._last, net._steps

        def forward(inputs: Tensor) -> Tensor:
            """(width, batch, *shape of an input)."""
            steps = read(inputs.flatten(0, 1))
            states = steps.reshape(*inputs.shape[:2], *steps.shape[1:])
            for layer, dropout in zip(layers[:-1], dropouts[:-1], strict=True):
                states = dropout(layer(states))
            return head(dropouts[-1](last(layers[-1](states))))

        return forward

    def _steps(self, inputs: Tensor) -> Tensor:
        """(batch, steps, numbers of a step)."""
        if inputs.ndim == 5:
            return inputs.flatten(2)
        match self.read:
            case "rows":
                return inputs.transpose(1, 2).flatten(2)
            case "columns":
                return inputs.permute(0, 3, 1, 2).flatten(2)
            case "patches":
                return F.unfold(inputs, self.patch, stride=self.patch).transpose(1, 2)


def _layer(recurrence: Recurrence, inputs: int) -> nn.RNNBase:
    hidden, both_ways = recurrence.hidden, recurrence.bidirectional
    match recurrence.cell:
        case "rnn":
            return nn.RNN(inputs, hidden, batch_first=True, bidirectional=both_ways)
        case "gru":
            return nn.GRU(inputs, hidden, batch_first=True, bidirectional=both_ways)
        case "lstm":
            lstm = nn.LSTM(inputs, hidden, batch_first=True, bidirectional=both_ways)
            _remember_at_first(lstm)
            return lstm


def _remember_at_first(layer: nn.LSTM) -> None:
    """A forget gate that starts open learns long sequences sooner (Jozefowicz et al. 2015, sec. 2.2)."""
    # torch adds two biases and orders the gates as input, forget, cell, output
    forget = slice(layer.hidden_size, 2 * layer.hidden_size)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("bias"):
                parameter[forget] = 1.0 if name.startswith("bias_ih") else 0.0
