"""A small convolutional network that looks at each frame of a clip."""

import torch
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.models._layers import DropoutSite
from trainables.models._recurrent_net import LastState

# The layers of `cnn3d`.


def stage(inputs: int, channels: int, span: int, batch_norm: bool) -> list[nn.Module]:
    """span: frames that the pool takes together."""
    # a bias before batch norm would be subtracted again
    layer = nn.Conv3d(inputs, channels, 3, padding=1, bias=not batch_norm)
    norm = [nn.BatchNorm3d(channels)] if batch_norm else []
    return [layer, *norm, nn.MaxPool3d((span, 2, 2)), nn.ReLU(inplace=True)]


class ChannelsFirst(nn.Module):
    """(batch, frames, channels, height, width) to (batch, channels, frames, height, width)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.transpose(1, 2)


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
        # frames are images: on a CPU convolutions of this memory format take half of the time
        frames = inputs.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.features(self.maps(frames))
        return features.view(*inputs.shape[:2], features.shape[1])


# The network of `cnn_rnn`.


class CnnRnnNetwork(nn.Module):
    """(batch, frames, channels, height, width) to (batch, outputs)."""

    def __init__(self, frames: FrameNetwork, state: LastState, outputs: int) -> None:
        super().__init__()
        self.frames, self.state = frames, state
        self.head = nn.Linear(state.recurrence.features, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.state(self.frames(inputs)))
        return outputs


# The network of `frame_average`.


class FrameAverageNetwork(nn.Module):
    """(batch, frames, channels, height, width) to (batch, outputs)."""

    def __init__(self, frames: FrameNetwork, features: int, outputs: int) -> None:
        super().__init__()
        self.frames = frames
        self.head = nn.Linear(features, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.frames(inputs).mean(dim=1))
        return outputs
