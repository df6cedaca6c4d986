"""The layers of `densenet`."""

from typing import Final

import torch
from torch import Tensor, nn

from trainables.models._layers import DropoutSite

_BOTTLENECK: Final = 4
"""Maps of a 1x1 convolution for each map that a layer adds (sec. 3, "Bottleneck layers")."""


class DenseLayer(nn.Module):
    """(batch, inputs, h, w) to (batch, inputs + growth, h, w): the inputs, and what is made of them."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.added = nn.Sequential(
            *normalised_convolution(inputs, _BOTTLENECK * growth, 1),
            *normalised_convolution(_BOTTLENECK * growth, growth, 3),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([inputs, self.added(inputs)], dim=1)


def normalised_convolution(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(inputs), nn.ReLU(), convolution(inputs, outputs, kernel), DropoutSite()]


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight)  # He et al. 2015, as in sec. 4.2
    return layer
