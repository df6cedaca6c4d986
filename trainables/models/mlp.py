"""A multi-layer perceptron on the flattened image (Rumelhart et al. 1986)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.component import Counts, PerWorker
from trainables.dataset import DataInfo
from trainables.interfaces import Model

if TYPE_CHECKING:
    from torch import nn


class Mlp(Model):
    """Fully connected layers with ReLU; dropout after each hidden one."""

    name: ClassVar[str] = "mlp"
    stacks: ClassVar[bool] = True

    hidden: Counts = (128,)
    """Units of each hidden layer."""

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.NOTHING

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from torch import nn

        from trainables.models._layers import fully_connected

        pixels = data.channels * data.height * data.width
        return nn.Sequential(nn.Flatten(), fully_connected(pixels, self.hidden, outputs))
