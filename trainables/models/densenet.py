"""The densely connected network for small images (Huang et al. 2017, "Densely Connected Convolutional Networks")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from trainables.component import Count, Depth, PerWorker
from trainables.dataset import DataInfo
from trainables.interfaces import Model

if TYPE_CHECKING:
    from torch import nn

_SMALLEST: Final = 8
"""Pixels a side: two halvings leave 2x2, so batch norm has several values a map even in a batch of one."""
_BLOCKS: Final = 3


def _six_n_plus_four(depth: int) -> int:
    if depth < 10 or (depth - 4) % 6:
        near = sorted({max(10, depth - (depth - 4) % 6), max(10, depth - (depth - 4) % 6 + 6)})
        raise ValueError(f"depth has to be 6n + 4 (10, 16, 22, 40, 100, ...); near {depth}: {near}")
    return depth


class Densenet(Model):
    """DenseNet-BC: three blocks of n layers, each of which reads the maps of all before it, n = (depth - 4) / 6.

    A layer is a 1x1 convolution to 4k maps and a 3x3 one to k, the growth rate; between blocks a 1x1 convolution
    compresses the maps and a pool halves them (sec. 3). Dropout stands after each convolution but the first (sec. 4.2).
    There is no residual branch that stochastic depth could leave out.
    """

    name: ClassVar[str] = "densenet"

    depth: Annotated[Depth, AfterValidator(_six_n_plus_four)] = 40
    """Layers with weights: 6n + 4."""
    growth: Count = 12
    """Maps that each layer adds, k."""
    compression: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the maps that go on from one block to the next, theta."""

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.STATISTICS

    def unsupported_reason(self, data: DataInfo) -> str | None:
        if reason := super().unsupported_reason(data):
            return reason
        if min(data.height, data.width) < _SMALLEST:
            size = f"{data.height}x{data.width}"
            return f"densenet needs images of at least {_SMALLEST}x{_SMALLEST} pixels, but {data.name} has {size}"
        return None

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from torch import nn

        from trainables.models._densenet_net import DenseLayer, convolution, normalised_convolution

        maps = 2 * self.growth
        layers: list[nn.Module] = [convolution(data.channels, maps, 3)]
        for block in range(_BLOCKS):
            for _ in range((self.depth - 4) // 6):
                layers.append(DenseLayer(maps, self.growth))
                maps += self.growth
            if block < _BLOCKS - 1:
                compressed = max(1, int(maps * self.compression))
                layers += [*normalised_convolution(maps, compressed, 1), nn.AvgPool2d(2)]
                maps = compressed
        head = [nn.BatchNorm2d(maps), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(maps, outputs)]
        return nn.Sequential(*layers, *head)
