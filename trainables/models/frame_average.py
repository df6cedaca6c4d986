"""The mean of what a convolutional network says of each frame (Karpathy et al. 2014, sec. 3.1, "Single Frame")."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.dataset import DataInfo
from trainables.models._frames import FrameModel

if TYPE_CHECKING:
    from torch import nn


class FrameAverage(FrameModel):
    """A CNN on each frame of a clip, averaged over the frames: blind to their order, a control for what time tells.

    Averaging the features before the last, linear layer is averaging the frames' logits.
    """

    name: ClassVar[str] = "frame_average"

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from trainables.models._frames_net import FrameAverageNetwork

        return FrameAverageNetwork(self.frame_network(data), self.features, outputs)
