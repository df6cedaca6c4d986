"""The residual network for small pictures (He et al. 2016, "Deep Residual Learning", sec. 4.2), and its plain twin."""

from typing import Annotated, ClassVar

import torch.nn.functional as F
from pydantic import AfterValidator
from torch import Tensor, nn

from trainables.component import AddedLater, Count
from trainables.dataset import DataInfo
from trainables.layers import DropoutSite, StochasticDepthSite
from trainables.model import Model

_SMALLEST = 5
"""Pixels a side: two halvings leave 2x2, so batch norm has several values a map even in a batch of one."""


def _six_n_plus_two(depth: int) -> int:
    if depth < 8 or (depth - 2) % 6:
        near = sorted({max(8, depth - (depth - 2) % 6), max(8, depth - (depth - 2) % 6 + 6)})
        raise ValueError(f"depth has to be 6n + 2 (8, 14, 20, 32, 44, 56, 110, ...); near {depth}: {near}")
    return depth


class Resnet(Model):
    """Three stages of n blocks of two 3x3 convolutions, n = (depth - 2) / 6, widths w, 2w and 4w, then a global mean.

    Shortcuts have no parameters (option A), so the plain twin without them has the same layers and the same weights.
    Stochastic depth leaves out the convolutions of a block. Dropout stands before the classifier, the only fully
    connected layer: batch normalisation regularises the blocks, and dropping units between its layers shifts their
    variance.
    """

    name: ClassVar[str] = "resnet"

    depth: Annotated[int, AfterValidator(_six_n_plus_two)] = 20
    """Layers with weights: 6n + 2."""
    width: Count = 16
    """Feature maps of the first stage."""
    residual: Annotated[bool, AddedLater(keeps=True)] = True
    """Whether each block's input is added to its result; false gives the plain network of the paper's comparison."""

    @property
    def has_stochastic_depth(self) -> bool:
        return self.residual

    def supports(self, data: DataInfo) -> str | None:
        if reason := super().supports(data):
            return reason
        if min(data.height, data.width) < _SMALLEST:
            size = f"{data.height}x{data.width}"
            return f"resnet needs pictures of at least {_SMALLEST}x{_SMALLEST} pixels, {data.name} has {size}"
        return None

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        blocks = (self.depth - 2) // 6
        layers: list[nn.Module] = [_convolution(data.channels, self.width, 1), nn.BatchNorm2d(self.width), nn.ReLU()]
        inputs = self.width
        for index in range(3 * blocks):
            stage, place = divmod(index, blocks)
            channels, stride = self.width << stage, 2 if stage and not place else 1
            if self.residual:
                layers.append(_ResidualBlock(inputs, channels, stride, depth=(index + 1) / (3 * blocks)))
            else:
                layers.append(_PlainBlock(inputs, channels, stride))
            inputs = channels
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), DropoutSite(), nn.Linear(inputs, outputs)]
        return nn.Sequential(*layers, *head)


class _PlainBlock(nn.Module):
    """Two convolutions: (batch, inputs, h, w) to (batch, channels, h/s, w/s)."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = _convolution(inputs, channels, stride), nn.BatchNorm2d(channels)
        self.second, self.second_norm = _convolution(channels, channels, 1), nn.BatchNorm2d(channels)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu(self._convolved(inputs))

    def _convolved(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.first_norm(self.first(inputs)))
        outputs: Tensor = self.second_norm(self.second(hidden))
        return outputs


class _ResidualBlock(_PlainBlock):
    """The same, its result added to the input."""

    def __init__(self, inputs: int, channels: int, stride: int, depth: float) -> None:
        super().__init__(inputs, channels, stride)
        self.stride, self.added = stride, channels - inputs
        self.site = StochasticDepthSite(depth)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu(self.site(self._convolved(inputs)) + self._shortcut(inputs))

    def _shortcut(self, inputs: Tensor) -> Tensor:
        if self.stride == 1 and self.added == 0:
            return inputs
        return F.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


def _convolution(inputs: int, channels: int, stride: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, channels, 3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")  # He et al. 2015
    return convolution
