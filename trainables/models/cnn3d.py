"""Convolutions over space and time (Tran et al. 2015, "Learning Spatiotemporal Features with 3D Convolutional Networks")."""

from typing import ClassVar

from torch import Tensor, nn

from trainables.component import Counts
from trainables.dataset import DataInfo, Input
from trainables.frames import left_of_frame
from trainables.layers import DropoutSite
from trainables.model import Model


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

    def supports(self, data: DataInfo) -> str | None:
        return super().supports(data) or left_of_frame(self.name, len(self.channels), data)

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        frames, inputs = data.shape[0], data.channels
        stages: list[nn.Module] = []
        for index, channels in enumerate(self.channels):
            span = 2 if index and frames > 1 else 1
            stages += _stage(inputs, channels, span, self.batch_norm)
            frames, inputs = frames // span, channels
        return nn.Sequential(
            _ChannelsFirst(), *stages, nn.AdaptiveAvgPool3d(1), nn.Flatten(), DropoutSite(), nn.Linear(inputs, outputs)
        )


def _stage(inputs: int, channels: int, span: int, batch_norm: bool) -> list[nn.Module]:
    """span: frames that the pool takes together."""
    # a bias before batch norm would be subtracted again
    convolution = nn.Conv3d(inputs, channels, 3, padding=1, bias=not batch_norm)
    norm = [nn.BatchNorm3d(channels)] if batch_norm else []
    return [convolution, *norm, nn.MaxPool3d((span, 2, 2)), nn.ReLU(inplace=True)]


class _ChannelsFirst(nn.Module):
    """(batch, frames, channels, height, width) to (batch, channels, frames, height, width)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.transpose(1, 2)
