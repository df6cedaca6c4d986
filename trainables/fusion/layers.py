"""torch's own layers, stacked."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.errors import CannotFuse
from trainables.fusion.placeless import filled_up, lacking_channels, linear
from trainables.fusion.recurrent import recurrent
from trainables.fusion.stack import Layer, Makers, Parts, Stack, first_of, maps_to_vectors


def _sequential(parts: Parts, stack: Stack, path: str) -> Layer:
    layers = [stack.child(parts, path, name) for name, _ in first_of(parts).named_children()]

    def forward(inputs: Tensor) -> Tensor:
        for layer in layers:
            inputs = layer(inputs)
        return inputs

    return forward


def _linear(parts: Parts, stack: Stack, path: str) -> Layer:
    weight = stack.leaf(f"{path}weight")
    bias = stack.leaf(f"{path}bias") if _has_bias(parts) else None

    def forward(inputs: Tensor) -> Tensor:
        """(width, ..., inputs) to (width, ..., outputs)."""
        outputs = linear(inputs.flatten(1, -2) if inputs.ndim > 3 else inputs, weight, bias)
        return outputs.view(*inputs.shape[:-1], outputs.shape[-1]) if inputs.ndim > 3 else outputs

    return forward


def _convolution(parts: Parts, stack: Stack, path: str) -> Layer:
    first = first_of(parts)
    assert isinstance(first, nn.Conv2d)
    if first.padding_mode != "zeros":
        raise CannotFuse(f"{path}Conv2d pads with {first.padding_mode}")
    weight = stack.leaf(f"{path}weight")
    bias = stack.leaf(f"{path}bias") if _has_bias(parts) else None
    stride, padding, dilation = first.stride, first.padding, first.dilation
    groups = stack.width * first.groups

    def forward(inputs: Tensor) -> Tensor:
        # the kernels of all places after one another, as channels_last
        kernels = weight.permute(0, 1, 3, 4, 2).flatten(0, 1).permute(0, 3, 1, 2)
        shift = None if bias is None else bias.flatten()
        return F.conv2d(inputs, kernels, shift, stride, padding, dilation, groups)

    return forward


def _batch_norm(parts: Parts, stack: Stack, path: str) -> Layer:
    first = first_of(parts)
    assert isinstance(first, nn.BatchNorm2d)
    if not first.affine or not first.track_running_stats or first.momentum is None:
        raise CannotFuse(f"{path}BatchNorm2d does not keep running statistics and weights")
    mean, variance = stack.buffer(parts, "running_mean"), stack.buffer(parts, "running_var")
    lacking = lacking_channels(mean.numel())
    weight, bias = stack.leaf(f"{path}weight"), stack.leaf(f"{path}bias")
    momentum, eps, passing = first.momentum, first.eps, stack.passing
    counts = [None if part is None else part.get_buffer("num_batches_tracked") for part in parts]

    def forward(inputs: Tensor) -> Tensor:
        for place in passing.active:
            if (count := counts[place]) is not None:
                count.add_(1)
        running = [F.pad(each.flatten(), (0, lacking)) if lacking else each.view(-1) for each in (mean, variance)]
        scale, shift = (F.pad(each.flatten(), (0, lacking)) for each in (weight, bias))
        of_mean, of_variance = running
        outputs = filled_up(
            inputs,
            lambda maps: F.batch_norm(maps, of_mean, of_variance, scale, shift, passing.training, momentum, eps),
        )
        if lacking and passing.training:
            for kept, found in zip((mean, variance), running, strict=True):
                kept.view(-1).copy_(found[: kept.numel()])
        return outputs

    return forward


def _flatten(parts: Parts, stack: Stack, path: str) -> Layer:
    first = first_of(parts)
    assert isinstance(first, nn.Flatten)
    if (first.start_dim, first.end_dim) != (1, -1):
        raise CannotFuse(f"{path}Flatten joins other axes than all but the batch")
    width = stack.width

    def forward(inputs: Tensor) -> Tensor:
        """Maps, or (width, batch, ...), to (width, batch, numbers)."""
        each = maps_to_vectors(inputs, width) if inputs.ndim == 4 else inputs
        return each.flatten(2)

    return forward


def _filled_up(parts: Parts, stack: Stack, path: str) -> Layer:
    """Pools that compute a mean: they treat every channel alike, but for what their kernels leave over."""
    pool = first_of(parts)
    return lambda maps: filled_up(maps, pool)


def _as_it_is(parts: Parts, stack: Stack, path: str) -> Layer:
    """Layers without parameters that treat every channel and every example alike."""
    return first_of(parts)


def _has_bias(parts: Parts) -> bool:
    return first_of(parts).bias is not None


def stacked(modules: Parts, generators: Sequence[torch.Generator | None]) -> Stack:
    """The nets of all places as one. generators: of each place, for what its layers draw. Raises CannotFuse."""
    return Stack(modules, generators, _MAKERS)


_MAKERS: Final[Makers] = MappingProxyType(
    {
        nn.Sequential: _sequential,
        nn.Linear: _linear,
        nn.Conv2d: _convolution,
        nn.BatchNorm2d: _batch_norm,
        nn.Flatten: _flatten,
        nn.RNN: recurrent,
        nn.GRU: recurrent,
        nn.LSTM: recurrent,
        **dict.fromkeys((nn.AvgPool2d, nn.AdaptiveAvgPool2d), _filled_up),
        **dict.fromkeys((nn.ReLU, nn.Identity, nn.ZeroPad2d, nn.MaxPool2d), _as_it_is),
    }
)
"""Of exactly these types: a subclass may do anything else."""
