"""Whole channels and units taken out of a plain chain of layers: those of least norm (Li et al. 2017, ICLR, sec. 3.1)."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Final

import torch
from torch import Tensor, nn

from trainables.errors import CannotDeploy
from trainables.models._layers import DropoutSite

_WEIGHTED: Final = (nn.Conv2d, nn.Linear)
_PER_CHANNEL: Final = (nn.BatchNorm2d, nn.BatchNorm1d)
_UNCHANGED: Final = (
    *(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Identity, nn.Dropout, nn.Dropout2d, DropoutSite),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ZeroPad2d, nn.Flatten),
)
"""Layers that do the same with each channel, however many there are."""


def without_channels(module: nn.Module, share: float) -> nn.Module:
    """A smaller net: of each layer but the last so large a share of its channels or units is taken out, rounded; one is left
    at least. Raises CannotDeploy where the net is no plain chain, or nothing can be taken out.
    """
    smaller = deepcopy(module)
    weighted: list[nn.Conv2d | nn.Linear] = []
    between: list[list[nn.Module]] = []
    for layer in _chain(smaller):
        if isinstance(layer, _WEIGHTED):
            weighted.append(layer)
            between.append([])
        elif between:
            between[-1].append(layer)
    taken = 0
    for layer, others, following in zip(weighted, between, weighted[1:], strict=False):
        units = len(layer.weight)
        left = max(1, units - round(share * units))
        taken += units - left
        norms = layer.weight.detach().abs().flatten(1).sum(dim=1)
        kept = norms.argsort(descending=True, stable=True)[:left].sort().values
        _keep_outputs(layer, kept)
        for other in others:
            if isinstance(other, _PER_CHANNEL):
                _keep_channels(other, kept)
        _keep_inputs(following, kept, units)
    if not taken:
        raise CannotDeploy("no layer of it has more than one channel to take out")
    return smaller


def _chain(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential):
        for layer in module:
            yield from _chain(layer)
    elif isinstance(module, (*_WEIGHTED, *_PER_CHANNEL, *_UNCHANGED)) and getattr(module, "groups", 1) == 1:
        yield module
    else:
        raise CannotDeploy(
            f"channels are taken out of plain chains of layers, and it has a {type(module).__name__}; leave structure out"
        )


def _keep_outputs(layer: nn.Conv2d | nn.Linear, kept: Tensor) -> None:
    layer.weight = _selected(layer.weight, kept)
    if layer.bias is not None:
        layer.bias = _selected(layer.bias, kept)
    if isinstance(layer, nn.Conv2d):
        layer.out_channels = len(kept)
    else:
        layer.out_features = len(kept)


def _keep_channels(norm: nn.BatchNorm2d | nn.BatchNorm1d, kept: Tensor) -> None:
    norm.weight, norm.bias = _selected(norm.weight, kept), _selected(norm.bias, kept)
    for name in ("running_mean", "running_var"):
        norm.register_buffer(name, norm.get_buffer(name)[kept].clone())
    norm.num_features = len(kept)


def _keep_inputs(layer: nn.Conv2d | nn.Linear, kept: Tensor, units: int) -> None:
    """units: of the layer before, as it was. Behind a Flatten each of its channels is several inputs in a row."""
    inputs = layer.weight.shape[1]
    each = inputs // units
    columns = (kept[:, None] * each + torch.arange(each, device=kept.device)).flatten()
    layer.weight = nn.Parameter(layer.weight.detach().index_select(1, columns).clone())
    if isinstance(layer, nn.Conv2d):
        layer.in_channels = len(columns)
    else:
        layer.in_features = len(columns)


def _selected(parameter: Tensor, kept: Tensor) -> nn.Parameter:
    return nn.Parameter(parameter.detach().index_select(0, kept).clone())
