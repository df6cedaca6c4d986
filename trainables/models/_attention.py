"""Attention over the channels and places of a feature map: squeeze-and-excitation, and CBAM."""

from collections.abc import Sequence
from typing import Final, Self

import torch
from torch import Tensor, nn

from trainables.fusion.placeless import means, sigmoid, weighed
from trainables.fusion.stack import Layer, Stack, by_place, maps_to_vectors, vectors_to_maps
from trainables.models._choices import Attention

_REDUCTION: Final = 16
"""Channels for each unit of the bottleneck (Hu et al. 2018, sec. 6.1; Woo et al. 2018, sec. 4)."""


_FEWEST: Final = 4
"""Units of the bottleneck at least: of one or two ReLUs all may be dead."""


_KERNEL: Final = 7
"""Side of the kernel that looks at places (Woo et al. 2018, sec. 3.2)."""


def attending(attention: Attention, channels: int) -> list[nn.Module]:
    """The layers that weigh a feature map of so many channels; none for `none`."""
    match attention:
        case "none":
            return []
        case "se":
            return [SqueezeAndExcitation(channels)]
        case "cbam":
            return [ChannelAttention(channels), SpatialAttention()]


class SqueezeAndExcitation(nn.Module):
    """Weighs each channel by what its mean and those of the others say (Hu et al. 2018, "Squeeze-and-Excitation
    Networks", sec. 3). (batch, channels, height, width) to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.excitation = _bottleneck(channels)

    def forward(self, inputs: Tensor) -> Tensor:
        weights = torch.sigmoid(self.excitation(inputs.mean(dim=(2, 3))))
        return inputs * weights[:, :, None, None]

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        excitation = stack.child(parts, path, "excitation")

        def forward(maps: Tensor) -> Tensor:
            weights = sigmoid(excitation(maps_to_vectors(means(maps), stack.width)))
            return weighed(maps, vectors_to_maps(weights))

        return forward


class ChannelAttention(nn.Module):
    """The same with the means and the maxima, which share a bottleneck (Woo et al. 2018, "CBAM", sec. 3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shared = _bottleneck(channels)

    def forward(self, inputs: Tensor) -> Tensor:
        weights = torch.sigmoid(self.shared(inputs.mean(dim=(2, 3))) + self.shared(inputs.amax(dim=(2, 3))))
        return inputs * weights[:, :, None, None]

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        shared = stack.child(parts, path, "shared")

        def forward(maps: Tensor) -> Tensor:
            mean, maximum = (maps_to_vectors(each, stack.width) for each in (means(maps), maps.amax(dim=(2, 3))))
            weights = sigmoid(shared(mean) + shared(maximum))
            return weighed(maps, vectors_to_maps(weights))

        return forward


class SpatialAttention(nn.Module):
    """Weighs each place by the mean and the maximum of its channels and of those around it (Woo et al. 2018, sec. 3.2).

    (batch, channels, height, width) to the same shape.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 1, _KERNEL, padding=_KERNEL // 2, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        described = torch.cat([inputs.mean(dim=1, keepdim=True), inputs.amax(dim=1, keepdim=True)], dim=1)
        return inputs * torch.sigmoid(self.convolution(described))

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        convolution = stack.child(parts, path, "convolution")

        def forward(maps: Tensor) -> Tensor:
            each = by_place(maps, stack.width)
            described = torch.stack([each.mean(dim=2), each.amax(dim=2)], dim=2)
            weights = sigmoid(convolution(described.flatten(1, 2)))
            return (each * weights[:, :, None]).flatten(1, 2)

        return forward


def _bottleneck(channels: int) -> nn.Sequential:
    """Make layers without biases, which would hide what one channel says of another (Hu et al. 2018, sec. 4)."""
    units = max(_FEWEST, channels // _REDUCTION)
    return nn.Sequential(nn.Linear(channels, units, bias=False), nn.ReLU(), nn.Linear(units, channels, bias=False))
