"""A convolutional network on each frame and a recurrent one over them (Donahue et al. 2015, "LRCN", sec. 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.component import Count, Depth
from trainables.dataset import DataInfo
from trainables.interfaces import Place
from trainables.models._choices import Cell
from trainables.models._frames import FRAME_ENDS, FrameModel

if TYPE_CHECKING:
    from torch import nn


class CnnRnn(FrameModel):
    """A CNN on each frame of a clip, then a recurrent network over the frames, whose last state is classified.

    Dropout stands on the features of a frame and after each recurrent layer, never on what goes from frame to frame.
    """

    name: ClassVar[str] = "cnn_rnn"

    cell: Cell = "lstm"
    """The recurrent network: Elman's with tanh, a long short-term memory, or gated recurrent units."""
    hidden: Count = 64
    """Units of its state."""
    layers: Depth = 1
    """Recurrent layers stacked on each other."""
    bidirectional: bool = False
    """Whether each layer also reads from the end, with a state of its own (Schuster and Paliwal 1997)."""

    def sequence_ends(self, data: DataInfo) -> tuple[Place, Place]:
        return FRAME_ENDS

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from trainables.models._frames_net import CnnRnnNetwork
        from trainables.models._recurrent_net import LastState, Recurrence

        recurrence = Recurrence(self.cell, self.hidden, self.layers, self.bidirectional)
        return CnnRnnNetwork(self.frame_network(data), LastState(recurrence, self.features), outputs)
