"""Batches on a device, cut from arrays: gathered, changed by the regularizers, standardised."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.on_device import on_device
from trainables.data.statistics import ChannelStatistics
from trainables.dataset import Examples
from trainables.regularizer import Regularizer
from trainables.soft_targets import soft

Shard = Callable[[int], slice]
"""`Context.shard`: which of so many examples are this rank's."""

_LEAST_PER_RANK: Final = 2
"""Batch norm has no statistics of one value."""
_MANY: Final = 1 << 30


class Batches:
    """Of one data set on one device, standardised by its training split (or scaled as its `preprocess` asks)."""

    def __init__(
        self, examples: Examples, statistics: ChannelStatistics, device: torch.device, channels_last: bool
    ) -> None:
        """channels_last: the memory format of the inputs, which have to be images then."""
        self.shape: tuple[int, ...] = examples.inputs.shape[1:]
        self._inputs, self._targets = on_device(examples, device)
        self._standardise_by(statistics, device, channels_last)

    def _standardise_by(self, statistics: ChannelStatistics, device: torch.device, channels_last: bool) -> None:
        self.statistics = statistics
        self._device = device
        self._wants_channels_last = channels_last
        mean, std = (torch.from_numpy(values).view(-1, 1, 1) for values in (statistics.mean, statistics.std))
        self._shift = (-mean / std).to(device)
        self._scale_of_unit = (1 / std).to(device)
        self._scale_of_byte = (1 / (255 * std)).to(device)

    def training(
        self,
        indices: NDArray[np.int64],
        batch_size: int,
        regularizers: Sequence[Regularizer],
        order: torch.Generator,
        augment: torch.Generator,
        shard: Shard,
        classes: int = 0,
        skip: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch in an order drawn from `order`: this rank's part of each batch.

        batch_size: over all ranks. The last batch may be smaller; one that would give a rank fewer than two examples
        is joined to the batch before it. order: on the CPU and in the same state on every rank. augment: on the
        device. classes: of the task; targets become probabilities of so many where a regularizer mixes them. skip: so many
        batches are left out; where no regularizer draws, the others are what they would have been. Yields inputs, float32
        (batch, *shape), and targets as in Examples unless a regularizer changed them.
        """
        changes = [
            regularizer.on_batch
            for regularizer in regularizers
            if type(regularizer).on_batch is not Regularizer.on_batch
        ]
        mixed = any(regularizer.mixes_classes for regularizer in regularizers)
        shuffled = self._beside(indices[torch.randperm(len(indices), generator=order).numpy()])
        bounds = _bounds(len(indices), batch_size, shard)
        parts = (shuffled[start:stop][shard(stop - start)] for start, stop in bounds[skip:])
        for inputs, targets in self._gathered(parts, augment):
            if mixed:
                targets = soft(targets, classes)
            for change in changes:
                inputs, targets = change(inputs, targets, augment)
            yield self.standardise(inputs), targets

    def evaluation(self, indices: NDArray[np.int64], batch_size: int, shard: Shard) -> Iterator[tuple[Tensor, Tensor]]:
        """This rank's part of a split, in order; at least one batch, which is empty where the rank has no part.

        batch_size: of one rank.
        """
        mine = self._beside(indices)[shard(len(indices))]
        parts = (mine[start : start + batch_size] for start in range(0, max(1, len(mine)), batch_size))
        for inputs, targets in self._gathered(parts, None):
            yield self.standardise(inputs), targets

    def examples(self, indices: NDArray[np.int64]) -> Examples:
        """Copies of these examples, as they are stored."""
        chosen = self._beside(indices)
        inputs, targets = (values.index_select(0, chosen).cpu().numpy() for values in (self._inputs, self._targets))
        return Examples(inputs, targets, np.zeros(len(indices), dtype=np.bool_))

    def joined(self, more: Examples) -> tuple["Batches", NDArray[np.int64]]:
        """The same with these examples at the end, standardised alike, and the indices that they have there."""
        result = copy(self)
        result._inputs = torch.cat((self._inputs, torch.from_numpy(more.inputs).to(self._inputs.device)))
        result._targets = torch.cat((self._targets, torch.from_numpy(more.targets).to(self._targets.device)))
        return result, np.arange(len(self._inputs), len(result._inputs))

    def standardise(self, inputs: Tensor) -> Tensor:
        """uint8 in 0..255 or floats in 0..1 as float32 of mean 0 and deviation 1. `inputs` stay as they are."""
        scale = self._scale_of_byte if inputs.dtype == torch.uint8 else self._scale_of_unit
        fresh = inputs.to(torch.float32, memory_format=torch.contiguous_format, copy=True).mul_(scale).add_(self._shift)
        return _channels_last(fresh) if self._wants_channels_last else fresh

    def _beside(self, indices: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(indices).to(self._inputs.device)

    def _gathered(self, parts: Iterable[Tensor], augment: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Copies of each part's examples on the device. augment: as in `training`; None where nothing is at random."""
        for chosen in parts:
            inputs, targets = self._inputs.index_select(0, chosen), self._targets.index_select(0, chosen)
            yield inputs.to(self._device), targets.to(self._device)


def _channels_last(images: Tensor) -> Tensor:
    """In that memory format, channel by channel: on a CPU torch's own conversion takes four times as long."""
    if images.is_contiguous(memory_format=torch.channels_last):
        return images
    result = torch.empty_like(images, memory_format=torch.channels_last)
    for there, here in zip(result.unbind(1), images.unbind(1), strict=True):
        there.copy_(here)
    return result


def steps(count: int, batch_size: int, shard: Shard) -> int:
    """How many batches `Batches.training` makes of `count` examples; the same on every rank."""
    return len(_bounds(count, batch_size, shard))


def _bounds(count: int, batch_size: int, shard: Shard) -> list[tuple[int, int]]:
    """Where each batch starts and stops."""
    starts = list(range(0, count, batch_size))
    least = min(_LEAST_PER_RANK * _ranks(shard), batch_size)
    if len(starts) > 1 and count - starts[-1] < least:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))


def _ranks(shard: Shard) -> int:
    """Into how many parts `shard` divides."""
    part = shard(_MANY)
    size: int = part.stop - part.start
    return round(_MANY / size)
