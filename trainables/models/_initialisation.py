"""How weights are drawn before training, other than torch's own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from torch import nn

Initialisation = Literal["default", "truncated_normal", "xavier"]

_DEVIATION: Final = 0.05
_BIAS: Final = 0.05


def initialise(module: nn.Module, way: Initialisation) -> None:
    """Draw the weights of all convolutions and linear layers anew, from torch's global generator.

    default: they stay as torch drew them (He et al. 2015, uniform). truncated_normal: weights of deviation 0.05, none
    beyond twice that, and biases of 0.05, TensorFlow's tutorials' way. xavier: Glorot and Bengio 2010, normal in
    convolutions and uniform in linear layers, and biases of 0. The last two are those of DeepOBS's 2c2d and 3c3d
    (Schneider, Balles and Hennig 2019, "DeepOBS: A Deep Learning Optimizer Benchmark Suite", sec. A.2).
    """

    from torch import nn

    if way == "default":
        return
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            _draw(part, way)


def _draw(layer: nn.Conv2d | nn.Linear, way: Initialisation) -> None:
    import torch
    from torch import nn

    with torch.no_grad():
        if way == "truncated_normal":
            nn.init.trunc_normal_(layer.weight, std=_DEVIATION, a=-2 * _DEVIATION, b=2 * _DEVIATION)
        elif isinstance(layer, nn.Conv2d):
            nn.init.xavier_normal_(layer.weight)
        else:
            nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, _BIAS if way == "truncated_normal" else 0.0)
