"""The network of `cnn_rnn`."""

from torch import Tensor, nn

from trainables.networks.frames import FrameNetwork
from trainables.networks.recurrent import LastState


class CnnRnnNetwork(nn.Module):
    """(batch, frames, channels, height, width) to (batch, outputs)."""

    def __init__(self, frames: FrameNetwork, state: LastState, outputs: int) -> None:
        super().__init__()
        self.frames, self.state = frames, state
        self.head = nn.Linear(state.recurrence.features, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.state(self.frames(inputs)))
        return outputs
