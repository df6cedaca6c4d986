"""A long short-term memory (Hochreiter and Schmidhuber 1997) that reads a picture row by row."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.component import Count
from trainables.dataset import DataInfo
from trainables.layers import DropoutSite
from trainables.model import Model


class Lstm(Model):
    """Rows from top to bottom are the sequence (Le et al. 2015 read pixels so); the last state is classified.

    Dropout stands after each layer, on what goes up, never on what goes from row to row (Zaremba et al. 2014).
    """

    name: ClassVar[str] = "lstm"

    hidden: Count = 128
    """Units of the state."""
    layers: Count = 1
    """Layers stacked on each other."""

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        return _RowLstm(data.channels * data.width, self.hidden, self.layers, outputs)


class _RowLstm(nn.Module):
    """(batch, channels, height, width) to (batch, outputs)."""

    def __init__(self, inputs: int, hidden: int, layers: int, outputs: int) -> None:
        super().__init__()
        sizes = [inputs] + [hidden] * (layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.dropouts = nn.ModuleList(DropoutSite() for _ in sizes)
        self.head = nn.Linear(hidden, outputs)
        for layer in self.layers:
            _remember_at_first(layer)

    def forward(self, inputs: Tensor) -> Tensor:
        states = inputs.transpose(1, 2).flatten(2)
        for index, (layer, dropout) in enumerate(zip(self.layers, self.dropouts, strict=True), start=1):
            with torch.autocast("cpu", enabled=False):  # most CPUs have no kernel for this layer in bf16
                states, _ = layer(states.float())
            states = dropout(states if index < len(self.layers) else states[:, -1])
        outputs: Tensor = self.head(states)
        return outputs


def _remember_at_first(layer: nn.Module) -> None:
    """A forget gate that starts open learns long sequences sooner (Jozefowicz et al. 2015, sec. 2.2)."""
    assert isinstance(layer, nn.LSTM)
    with torch.no_grad():
        # torch adds two biases and orders the gates as input, forget, cell, output
        forget = slice(layer.hidden_size, 2 * layer.hidden_size)
        layer.get_parameter("bias_ih_l0")[forget] = 1.0
        layer.get_parameter("bias_hh_l0")[forget] = 0.0
