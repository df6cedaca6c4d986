"""Operations on all places at once whose bits do not depend on the place.

What a matrix product on a CPU rounds may depend on where in memory its matrices begin (Intel's oneMKL promises equal bits
where they begin at equal offsets from 64 bytes, its developer guide, "Reproducibility Conditions"): here the matrices of
every place begin at a multiple of that. torch's own kernels go through channels some vectors at a time, and through what
is left over in another way, which may round otherwise: here nothing is left over.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor

ALIGNED: Final = 16
"""Numbers to whose multiple each place's matrices begin: 64 bytes of float32."""


_CHANNELS: Final = 64
"""To whose multiple channels are filled up: four vectors of AVX-512, the most that torch's kernels take at a time."""


def filled_up(maps: Tensor, operation: Callable[[Tensor], Tensor]) -> Tensor:
    """An operation that treats each channel of (batch, channels, height, width) by itself, of as many channels as fill
    whole vectors; those that are added are zeros, and left out again."""
    channels = maps.shape[1]
    if (lacking := lacking_channels(channels)) == 0:
        return operation(maps)
    return operation(F.pad(maps, (0, 0, 0, 0, 0, lacking)))[:, :channels]


def lacking_channels(channels: int) -> int:
    """How many `filled_up` adds."""
    return -channels % _CHANNELS


def means(maps: Tensor) -> Tensor:
    """(batch, channels, height, width) to the mean of each channel, (batch, channels)."""
    return filled_up(maps, lambda whole: whole.mean(dim=(2, 3)))


def weighed(maps: Tensor, weights: Tensor) -> Tensor:
    """(batch, channels, height, width) times a weight of each channel, (batch, channels)."""
    channels = maps.shape[1]
    if lacking := lacking_channels(channels):  # for the way back, on which all places of a channel are added up
        maps, weights = F.pad(maps, (0, 0, 0, 0, 0, lacking)), F.pad(weights, (0, lacking))
    return (maps * weights[:, :, None, None])[:, :channels]


def sigmoid(inputs: Tensor) -> Tensor:
    """As torch.sigmoid, by the hyperbolic tangent, whose kernel treats what is left over as all else."""
    return torch.tanh(inputs * 0.5) * 0.5 + 0.5


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(width, rows, inputs) by weights (width, outputs, inputs) and (width, outputs) to (width, rows, outputs)."""
    return cast(Tensor, _Linear.apply(inputs, weight, bias))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        inputs, weight = _aligned(inputs), _aligned(weight)
        ctx.save_for_backward(inputs, weight)
        ctx.has_bias = bias is not None
        outputs = _product(inputs, weight.transpose(1, 2))
        return outputs if bias is None else outputs + bias[:, None]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        gradient = _aligned(gradients[0])
        of_inputs = _product(gradient, weight) if ctx.needs_input_grad[0] else None
        of_weight = _product(gradient.transpose(1, 2), inputs)
        return of_inputs, of_weight, gradient.sum(dim=1) if ctx.has_bias else None


def _product(first: Tensor, second: Tensor) -> Tensor:
    """(width, n, m) by (width, m, k) to (width, n, k)."""
    width, rows, columns = len(first), first.shape[1], second.shape[2]
    if rows * columns % ALIGNED == 0:
        return torch.bmm(first, second)
    return torch.bmm(first, second, out=_room(first, width, rows, columns))


def _aligned(matrices: Tensor) -> Tensor:
    """The same, each place's contiguous and beginning at a multiple."""
    width, rows, columns = matrices.shape
    begins = matrices.stride(0) % ALIGNED == 0 and matrices.storage_offset() % ALIGNED == 0
    if begins and matrices.stride()[1:] == (columns, 1):
        return matrices
    if rows * columns % ALIGNED == 0:
        return matrices.contiguous()
    return _room(matrices, width, rows, columns).copy_(matrices)


def _room(like: Tensor, width: int, rows: int, columns: int) -> Tensor:
    step = -(-rows * columns // ALIGNED) * ALIGNED
    return like.new_empty(width, step)[:, : rows * columns].view(width, rows, columns)
