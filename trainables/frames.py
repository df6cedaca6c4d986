"""A small convolutional network that looks at each frame of a clip, and what its models share."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.component import Count, Counts
from trainables.dataset import DataInfo, Input
from trainables.layers import DropoutSite
from trainables.model import Model


class FrameModel(Model):
    """Reads clips: the same network sees each frame, and what it says of them is put together."""

    inputs: ClassVar[frozenset[Input]] = frozenset({"clip"})

    channels: Counts = (16, 32)
    """Feature maps of each 3x3 convolution; each is followed by ReLU and a 2x2 pool."""
    batch_norm: bool = True
    """Batch normalisation after each convolution, over all frames (Ioffe and Szegedy 2015)."""
    features: Count = 64
    """Numbers that are told of a frame."""

    def supports(self, data: DataInfo) -> str | None:
        return super().supports(data) or left_of_frame(self.name, len(self.channels), data)

    def frame_network(self, data: DataInfo) -> "FrameNetwork":
        """Freshly initialised, for the frames of this data."""
        return FrameNetwork(data, self.channels, self.features, self.batch_norm)


def left_of_frame(name: str, halvings: int, data: DataInfo) -> str | None:
    """None, or the reason why frames are too small to be halved so often."""
    if min(data.height, data.width) >> halvings:
        return None
    size = f"{data.height}x{data.width}"
    return f"{name} halves a frame {halvings} times, which leaves nothing of {size} pixels ({data.name})"


class FrameNetwork(nn.Module):
    """(batch, frames, channels, height, width) to (batch, frames, features): no frame knows of another.

    Feature maps are flattened, so that a frame's features tell where things are. Dropout stands on the features.
    """

    def __init__(self, data: DataInfo, channels: tuple[int, ...], features: int, batch_norm: bool) -> None:
        super().__init__()
        maps = [data.channels, *channels]
        stages: list[nn.Module] = []
        for inputs, outputs in zip(maps, channels, strict=False):
            # a bias before batch norm would be subtracted again; the pool gives the same before ReLU as after it, and
            # leaves ReLU a quarter of the work
            stages.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                stages.append(nn.BatchNorm2d(outputs))
            stages += [nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        values = maps[-1] * (data.height >> len(channels)) * (data.width >> len(channels))
        self.maps = nn.Sequential(*stages, nn.Flatten())
        self.features = nn.Sequential(nn.Linear(values, features), nn.ReLU(inplace=True), DropoutSite())

    def forward(self, inputs: Tensor) -> Tensor:
        # frames are pictures: on a CPU convolutions of this memory format take half of the time
        frames = inputs.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.features(self.maps(frames))
        return features.view(*inputs.shape[:2], features.shape[1])
