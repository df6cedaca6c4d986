"""A convolutional network on each frame and a recurrent one over them (Donahue et al. 2015, "LRCN", sec. 3)."""

from typing import ClassVar

from torch import Tensor, nn

from trainables.component import Count
from trainables.dataset import DataInfo
from trainables.frames import FrameModel, FrameNetwork
from trainables.recurrent import Cell, LastState, Recurrence


class CnnRnn(FrameModel):
    """A CNN on each frame of a clip, then a recurrent network over the frames, whose last state is classified.

    Dropout stands on the features of a frame and after each recurrent layer, never on what goes from frame to frame.
    """

    name: ClassVar[str] = "cnn_rnn"

    cell: Cell = "lstm"
    """The recurrent network: Elman's with tanh, a long short-term memory, or gated recurrent units."""
    hidden: Count = 64
    """Units of its state."""
    layers: Count = 1
    """Recurrent layers stacked on each other."""
    bidirectional: bool = False
    """Whether each layer also reads from the end, with a state of its own (Schuster and Paliwal 1997)."""

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        recurrence = Recurrence(self.cell, self.hidden, self.layers, self.bidirectional)
        return _CnnRnn(self.frame_network(data), LastState(recurrence, self.features), outputs)


class _CnnRnn(nn.Module):
    """(batch, frames, channels, height, width) to (batch, outputs)."""

    def __init__(self, frames: FrameNetwork, state: LastState, outputs: int) -> None:
        super().__init__()
        self.frames, self.state = frames, state
        self.head = nn.Linear(state.recurrence.features, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.state(self.frames(inputs)))
        return outputs
