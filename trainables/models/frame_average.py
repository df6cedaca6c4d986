"""The mean of what a convolutional network says of each frame (Karpathy et al. 2014, sec. 3.1, "Single Frame")."""

from typing import ClassVar

from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.frames import FrameModel, FrameNetwork


class FrameAverage(FrameModel):
    """A CNN on each frame of a clip, averaged over the frames: blind to their order, a control for what time tells.

    Averaging the features before the last, linear layer is averaging the frames' logits.
    """

    name: ClassVar[str] = "frame_average"

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        return _FrameAverage(self.frame_network(data), self.features, outputs)


class _FrameAverage(nn.Module):
    """(batch, frames, channels, height, width) to (batch, outputs)."""

    def __init__(self, frames: FrameNetwork, features: int, outputs: int) -> None:
        super().__init__()
        self.frames = frames
        self.head = nn.Linear(features, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.frames(inputs).mean(dim=1))
        return outputs
