"""The network of `frame_average`."""

from torch import Tensor, nn

from trainables.networks.frames import FrameNetwork


class FrameAverageNetwork(nn.Module):
    """(batch, frames, channels, height, width) to (batch, outputs)."""

    def __init__(self, frames: FrameNetwork, features: int, outputs: int) -> None:
        super().__init__()
        self.frames = frames
        self.head = nn.Linear(features, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.frames(inputs).mean(dim=1))
        return outputs
