"""The residual network for small images (He et al. 2016, "Deep Residual Learning", sec. 4.2), and its plain twin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator

from trainables.component import AddedLater, Count, Depth, PerWorker
from trainables.dataset import DataInfo
from trainables.interfaces import Model

if TYPE_CHECKING:
    from torch import nn

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
    stacks: ClassVar[bool] = True

    depth: Annotated[Depth, AfterValidator(_six_n_plus_two)] = 20
    """Layers with weights: 6n + 2."""
    width: Count = 16
    """Feature maps of the first stage."""
    residual: Annotated[bool, AddedLater(keeps=True)] = True
    """Whether each block's input is added to its result; false gives the plain network of the paper's comparison."""

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.STATISTICS

    @property
    def has_stochastic_depth(self) -> bool:
        return self.residual

    def unsupported_reason(self, data: DataInfo) -> str | None:
        if reason := super().unsupported_reason(data):
            return reason
        if min(data.height, data.width) < _SMALLEST:
            size = f"{data.height}x{data.width}"
            return f"resnet needs images of at least {_SMALLEST}x{_SMALLEST} pixels, but {data.name} has {size}"
        return None

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from torch import nn

        from trainables.models._layers import DropoutSite
        from trainables.models._resnet_net import PlainBlock, ResidualBlock, convolution

        blocks = (self.depth - 2) // 6
        layers: list[nn.Module] = [convolution(data.channels, self.width, 1), nn.BatchNorm2d(self.width), nn.ReLU()]
        inputs = self.width
        for index in range(3 * blocks):
            stage, place = divmod(index, blocks)
            channels, stride = self.width << stage, 2 if stage and not place else 1
            if self.residual:
                layers.append(ResidualBlock(inputs, channels, stride, depth=(index + 1) / (3 * blocks)))
            else:
                layers.append(PlainBlock(inputs, channels, stride))
            inputs = channels
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), DropoutSite(), nn.Linear(inputs, outputs)]
        return nn.Sequential(*layers, *head)
