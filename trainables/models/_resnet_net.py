"""The blocks of `resnet`."""

from collections.abc import Sequence
from typing import Self

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.fusion.stack import Layer, Stack, by_place, first_of
from trainables.models._layers import StochasticDepthSite


class PlainBlock(nn.Module):
    """Two convolutions: (batch, inputs, h, w) to (batch, channels, h/s, w/s)."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = convolution(inputs, channels, stride), nn.BatchNorm2d(channels)
        self.second, self.second_norm = convolution(channels, channels, 1), nn.BatchNorm2d(channels)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu(self._convolved(inputs))

    def _convolved(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.first_norm(self.first(inputs)))
        outputs: Tensor = self.second_norm(self.second(hidden))
        return outputs

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        convolved = _convolved(parts, stack, path)
        return lambda maps: F.relu(convolved(maps))


class ResidualBlock(PlainBlock):
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

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        convolved, site = _convolved(parts, stack, path), stack.child(parts, path, "site")
        block = first_of(parts)
        assert isinstance(block, cls)
        stride, added = block.stride, block.added

        def shortcut(maps: Tensor) -> Tensor:
            if stride == 1 and added == 0:
                return maps
            each = by_place(maps[:, :, ::stride, ::stride], stack.width)
            return F.pad(each, (0, 0, 0, 0, 0, added)).flatten(1, 2)

        return lambda maps: F.relu(site(convolved(maps)) + shortcut(maps))


def _convolved(parts: Sequence[PlainBlock | None], stack: Stack, path: str) -> Layer:
    """What `PlainBlock._convolved` is of a stack."""
    names = ("first", "first_norm", "second", "second_norm")
    first, first_norm, second, second_norm = (stack.child(parts, path, name) for name in names)
    return lambda maps: second_norm(second(F.relu(first_norm(first(maps)))))


def convolution(inputs: int, channels: int, stride: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, channels, 3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")  # He et al. 2015
    return layer
