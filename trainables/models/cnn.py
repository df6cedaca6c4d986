"""A plain convolutional network in the manner of LeNet (LeCun et al. 1998), with ReLU and optional batch norm."""

from typing import ClassVar, Literal

from pydantic import model_validator
from torch import nn

from trainables.component import AnyCounts, Counts
from trainables.dataset import DataInfo
from trainables.layers import fully_connected
from trainables.model import Model


class Cnn(Model):
    """One convolution (same padding), ReLU and 2x2 pool for each entry of `channels`, then fully connected layers."""

    name: ClassVar[str] = "cnn"

    channels: Counts = (32, 64)
    """Feature maps of each convolution."""
    kernels: Counts = (3,)
    """Side of each convolution's kernel in pixels: one for each of `channels`, or one for all."""
    hidden: AnyCounts = (128,)
    """Units of each fully connected layer before the last; may be empty."""
    batch_norm: bool = False
    """Batch normalisation after each convolution (Ioffe and Szegedy 2015)."""
    pool: Literal["max", "avg", "none"] = "max"
    """What halves the picture after each convolution."""

    @model_validator(mode="after")
    def _kernels_match_channels(self) -> "Cnn":
        if len(self.kernels) not in (1, len(self.channels)):
            raise ValueError(
                f"kernels has {len(self.kernels)} entries and channels {len(self.channels)}; "
                "give one kernel for all convolutions or one for each"
            )
        return self

    def supports(self, data: DataInfo) -> str | None:
        if reason := super().supports(data):
            return reason
        if min(self._pooled(data)) < 1:
            return (
                f"cnn halves the picture {len(self.channels)} times, "
                f"which leaves nothing of {data.height}x{data.width} pixels ({data.name})"
            )
        return None

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        layers: list[nn.Module] = []
        inputs = data.channels
        kernels = self.kernels * len(self.channels) if len(self.kernels) == 1 else self.kernels
        for channels, kernel in zip(self.channels, kernels, strict=True):
            layers += self._stage(inputs, channels, kernel)
            inputs = channels
        height, width = self._pooled(data)
        return nn.Sequential(*layers, nn.Flatten(), fully_connected(inputs * height * width, self.hidden, outputs))

    def _stage(self, inputs: int, channels: int, kernel: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        if kernel % 2 == 0:  # the same size then takes one more pixel on one side, which a convolution cannot pad
            layers.append(nn.ZeroPad2d((0, 1, 0, 1)))
        # a bias before batch norm would be subtracted again
        layers.append(nn.Conv2d(inputs, channels, kernel, padding=(kernel - 1) // 2, bias=not self.batch_norm))
        if self.batch_norm:
            layers.append(nn.BatchNorm2d(channels))
        match self.pool:
            case "max":  # gives the same before ReLU as after it, and leaves ReLU a quarter of the work
                layers += [nn.MaxPool2d(2), nn.ReLU(inplace=True)]
            case "avg":
                layers += [nn.ReLU(inplace=True), nn.AvgPool2d(2)]
            case "none":
                layers.append(nn.ReLU(inplace=True))
        return layers

    def _pooled(self, data: DataInfo) -> tuple[int, int]:
        halvings = 0 if self.pool == "none" else len(self.channels)
        return data.height >> halvings, data.width >> halvings
