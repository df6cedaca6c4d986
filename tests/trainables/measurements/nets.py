"""Nets of every kind, untrained, and inputs for them."""

from typing import Final

import torch
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.models._layers import DropoutSite
from trainables.models.cnn import Cnn
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.models.vit import Vit

CLASSES: Final = 5
MODELS: Final[dict[str, Model]] = {
    "mlp": Mlp(hidden=(24,)),
    "cnn": Cnn(channels=(6, 8), hidden=(16,), batch_norm=True),
    "resnet": Resnet(depth=8, width=4),
    "lstm": Lstm(hidden=16),
    "vit": Vit(depth=2, heads=2, width=16),
}


def net_of(name: str, shape: tuple[int, ...] = (3, 8, 12)) -> nn.Module:
    """A net in training mode, with dropout where it may be and statistics that are not those of the start."""
    torch.manual_seed(1)
    info = DataInfo("made_up", "clip" if len(shape) == 4 else "image", shape, "classification", tuple("abcde"))
    net = MODELS[name].build(info, CLASSES)
    for part in net.modules():
        if isinstance(part, DropoutSite):
            part.p = 0.5
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
    return net


def asking(shape: tuple[int, ...] = (3, 8, 12), count: int = 4) -> tuple[Tensor, Tensor]:
    """Inputs, and a class for each."""
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(count, *shape, generator=generator)
    return inputs, torch.randint(CLASSES, (count,), generator=generator)
