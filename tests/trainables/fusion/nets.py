"""The nets that can be stacked, small, and what is trained of them."""

from typing import Final

import torch
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.fusion.stack import Layout, vectors_to_maps
from trainables.interfaces import Model
from trainables.models.cnn import Cnn
from trainables.models.gru import Gru
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.models.rnn import Rnn

CLASSES: Final = 7
SHAPE: Final = (3, 12, 12)
INFO: Final = DataInfo("made_up", "image", SHAPE, "classification", tuple("0123456"))
MODELS: Final[dict[str, Model]] = {
    "mlp": Mlp(hidden=(13, 9)),
    "cnn": Cnn(channels=(4, 6), hidden=(11,)),
    "cnn, batch norm": Cnn(channels=(4, 6), hidden=(11,), batch_norm=True),
    "cnn, no hidden layer": Cnn(channels=(3, 5), hidden=(), pool="avg"),
    "cnn, valid padding": Cnn(channels=(4, 5), pool="none", padding="valid", kernels=(2, 3)),
    "cnn, even kernels": Cnn(channels=(4, 5), pool_padding="same", kernels=(2, 3)),
    "cnn, se": Cnn(channels=(8, 8), attention="se"),
    "cnn, cbam": Cnn(channels=(8, 8), attention="cbam", pool="avg"),
    "cnn, odd channels": Cnn(channels=(3, 5), hidden=(7,), batch_norm=True, pool="avg"),
    "cnn, odd channels, se": Cnn(channels=(5, 7), hidden=(9,), attention="se"),
    "cnn, odd channels, cbam": Cnn(channels=(5, 7), attention="cbam"),
    "resnet": Resnet(depth=8, width=4),
    "resnet, odd channels": Resnet(depth=8, width=3),
    "resnet, plain": Resnet(depth=8, width=4, residual=False),
    "rnn": Rnn(hidden=9),
    "gru, columns": Gru(hidden=9, read="columns"),
    "lstm": Lstm(hidden=12),
    "lstm, two layers both ways": Lstm(hidden=6, layers=2, bidirectional=True, read="patches"),
}


def built(model: Model, seed: int, dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(seed)
    return model.build(INFO, CLASSES).to(dtype).to(memory_format=torch.channels_last)


def laid(inputs: Tensor, layout: Layout) -> Tensor:
    """(width, batch, *shape) as a stack reads it."""
    if layout == "vectors":
        return inputs
    return vectors_to_maps(inputs).contiguous(memory_format=torch.channels_last)
