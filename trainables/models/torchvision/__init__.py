"""Every classifier of torchvision (torchvision.models), untrained: `torchvision:resnet18`, `torchvision:vit_b_16`, ...

torchvision is imported when one of them is used or all are listed, not before.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Final

import torch
from torch import nn

from trainables.component import PerWorker
from trainables.dataset import DataInfo
from trainables.errors import said_by
from trainables.interfaces import Model
from trainables.models._choices import Stem
from trainables.registry import ComponentNamespace
from trainables.training.meta import on_meta_device

_LEAVES_OUT_BRANCHES: Final = ("convnext", "efficientnet", "maxvit", "swin")
"""Architectures in which torchvision places stochastic depth."""
_WITHOUT_BATCH_NORM: Final = ("alexnet", "convnext", "squeezenet", "swin", "vit")
"""Architectures without batch norm, as is `vgg` without `_bn` behind it."""
_MIN: Final = 2
"""Examples of a batch: more than one value for each batch norm, however small the maps."""
_USUAL: Final = (32, 64, 96, 112, 128, 224, 299)
"""Sides in pixels of which a reason names the first that would do."""


class TorchvisionModel(Model):
    """A classifier of torchvision by its name there, with random weights and as many inputs and outputs as needed.

    The auxiliary classifiers of googlenet and inception_v3 are left out. Dropout and stochastic depth stand where
    torchvision has them, and are off until the regularizers of these names switch them on; a network without dropout
    has one place for it, before the classifier.
    """

    name: ClassVar[str] = "torchvision:NAME"

    stem: Stem = "adapt"
    """adapt: the first convolution takes every pixel and no pool follows it, for small images; original: as it is."""

    @property
    def has_stochastic_depth(self) -> bool:
        return self.name.partition(":")[2].startswith(_LEAVES_OUT_BRANCHES)

    @property
    def per_worker(self) -> PerWorker:
        member = self.name.partition(":")[2]
        without = member.startswith(_WITHOUT_BATCH_NORM) or (member.startswith("vgg") and not member.endswith("_bn"))
        return PerWorker.NOTHING if without else PerWorker.STATISTICS

    def unsupported_reason(self, data: DataInfo) -> str | None:
        if reason := super().unsupported_reason(data):
            return reason
        member = self.name.partition(":")[2]
        broken = _broken(member, self.stem, data.shape)
        if broken is None:
            return None
        square = ((side, side) for side in _USUAL if side > min(data.height, data.width))
        enough = next((size for size in square if not _broken(member, self.stem, (data.channels, *size))), None)
        hint = "" if enough is None else f"; it reads images of {enough[0]}x{enough[1]} pixels"
        return (
            f"{self.name} with stem {self.stem} cannot read the images of {data.name}, "
            f"{data.height}x{data.width} pixels: {broken}{hint}"
        )

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from trainables.models.torchvision.network import network

        return network(self.name.partition(":")[2], self.stem, data.shape, outputs)


@lru_cache(maxsize=4096)
def _broken(member: str, stem: Stem, shape: tuple[int, ...]) -> str | None:
    """Return what a batch of this shape breaks on, or None. Computes shapes alone: no weights are made."""
    from trainables.models.torchvision.network import network

    with torch.no_grad():
        try:
            module = on_meta_device(lambda: network(member, stem, shape, outputs=2)).train()
            module(torch.empty(_MIN, *shape, device="meta"))
        except (RuntimeError, ValueError, AssertionError) as broken:
            return said_by(broken)
    return None


class Torchvision(ComponentNamespace):
    """All that `torchvision.models.list_models` says of still images."""

    kind: ClassVar[str] = "model"
    prefix: ClassVar[str] = "torchvision"
    base: ClassVar[type[Model]] = TorchvisionModel

    def members(self) -> Sequence[str]:
        from torchvision import models

        names: list[str] = models.list_models(module=models)
        return names
