"""Convolutions over space and time (Tran et al. 2015, "Learning Spatiotemporal Features with 3D Convolutional Networks")."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.component import Counts, PerWorker
from trainables.dataset import DataInfo, Input
from trainables.interfaces import Model
from trainables.models._frames import left_of_frame

if TYPE_CHECKING:
    from torch import nn


class Cnn3d(Model):
    """3x3x3 convolutions with ReLU over frames, height and width, each with a pool that halves what it sees.

    The first pool keeps all frames, as in the paper's section 3.2; the later ones halve them as long as there are two.
    In place of the paper's two fully connected layers of 4,096 units stands a global mean. Dropout stands after it.
    """

    name: ClassVar[str] = "cnn3d"
    inputs: ClassVar[frozenset[Input]] = frozenset({"clip"})

    channels: Counts = (16, 32, 64)
    """Feature maps of each convolution."""
    batch_norm: bool = True
    """Batch normalisation after each convolution (Ioffe and Szegedy 2015); the paper has none."""

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.STATISTICS if self.batch_norm else PerWorker.NOTHING

    def unsupported_reason(self, data: DataInfo) -> str | None:
        return super().unsupported_reason(data) or left_of_frame(self.name, len(self.channels), data)

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from torch import nn

        from trainables.models._frames_net import ChannelsFirst, stage
        from trainables.models._layers import DropoutSite

        frames, inputs = data.shape[0], data.channels
        stages: list[nn.Module] = []
        for index, channels in enumerate(self.channels):
            span = 2 if index and frames > 1 else 1
            stages += stage(inputs, channels, span, self.batch_norm)
            frames, inputs = frames // span, channels
        return nn.Sequential(
            ChannelsFirst(), *stages, nn.AdaptiveAvgPool3d(1), nn.Flatten(), DropoutSite(), nn.Linear(inputs, outputs)
        )
