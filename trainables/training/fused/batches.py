"""Batches of several trials on one data set, gathered together: each its own examples, order, targets and scale."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import torch
from torch import Tensor

from trainables.data.batches import BatchChanges, Batches, ExampleTensors, channels_last
from trainables.data.streaming import StreamedBatches
from trainables.errors import CannotFuse

_Part = tuple[Tensor, Tensor]
"""Standardised inputs and targets of one place."""


class Drawn(NamedTuple):
    """What of a place's batch is at random: what regularizers make of it, and the stream that they draw from."""

    changes: BatchChanges
    augment: torch.Generator


class StackedBatch(NamedTuple):
    """A batch of each place, of one size."""

    inputs: Tensor
    """Standardised, as `maps`: (batch, width * channels, height, width of an image) in channels_last, the channels of one
    place after those of another; else (width, batch, *shape)."""
    targets: list[Tensor | None]
    """Of each place that has a batch."""
    labels: Tensor | None
    """All of them, (width, batch), zeros where nobody is; None where targets are of several types."""


class StackedBatches:
    """Cuts batches for several places at once. Examples that all of them share are gathered in one go."""

    def __init__(self, batches: Sequence[Batches | None], *, maps: bool) -> None:
        """batches: of each place, None where nobody is. Raises CannotFuse for data that is decoded while it is used."""
        there = [each for each in batches if each is not None]
        if any(isinstance(each, StreamedBatches) for each in there):
            raise CannotFuse("the data set is decoded while it is used, for each trial by itself")
        self._batches, self._maps, self._width = batches, maps, len(batches)
        first = there[0].stored
        self._shared = all(_same(each.stored.inputs, first.inputs) for each in there)
        self._inputs = first.inputs
        self._targets = _side_by_side([first if each is None else each.stored for each in batches])
        scales = [there[0].scale_and_shift() if each is None else each.scale_and_shift() for each in batches]
        axes = [1] * (len(there[0].shape) - 3)
        self._scale, self._shift = (
            torch.stack(values).view(self._width, *([] if maps else [1]), *axes, -1, 1, 1)
            for values in zip(*scales, strict=True)
        )

    def gather(
        self,
        chosen: Sequence[Tensor | None],
        drawn: Sequence[Drawn | None] | None = None,
        apart: Callable[[int, Callable[[], _Part]], _Part | None] = lambda _, act: act(),
    ) -> StackedBatch | None:
        """chosen: indices of each place's examples, all of one length; None where a place has no batch.

        drawn: of each place that learns; None in an evaluation, where nothing is at random. apart: does what is a place's
        own, and gives None where that raises: the place then has no batch. None where no place has one.
        """
        size = len(next(each for each in chosen if each is not None))
        changed = drawn is not None and any(each is not None and each.changes for each in drawn)
        if self._shared and not changed:
            return self._at_once(chosen, size)
        return self._one_by_one(chosen, drawn, size, apart)

    def _at_once(self, chosen: Sequence[Tensor | None], size: int) -> StackedBatch:
        device = self._inputs.device
        nobody = torch.zeros(size, dtype=torch.int64, device=device)  # the first example, which nobody learns from
        places = torch.stack([nobody if each is None else each for each in chosen], dim=1 if self._maps else 0)
        pixels = self._inputs.index_select(0, places.flatten()).to(self._scale.device)
        inputs = (
            pixels.view(*places.shape, *pixels.shape[1:])
            .to(torch.float32, copy=True)
            .mul_(self._scale)
            .add_(self._shift)
        )
        if self._maps:
            inputs = channels_last(inputs.flatten(1, 2))
        if self._targets is None:
            return StackedBatch(inputs, targets := self._own_targets(chosen), _together(targets, size))
        labels = self._targets.gather(1, places.t() if self._maps else places).to(inputs.device)
        return StackedBatch(inputs, [None if each is None else labels[at] for at, each in enumerate(chosen)], labels)

    def _own_targets(self, chosen: Sequence[Tensor | None]) -> list[Tensor | None]:
        return [
            None if each is None or of is None else of.stored.targets.index_select(0, each).to(self._scale.device)
            for each, of in zip(chosen, self._batches, strict=True)
        ]

    def _one_by_one(
        self,
        chosen: Sequence[Tensor | None],
        drawn: Sequence[Drawn | None] | None,
        size: int,
        apart: Callable[[int, Callable[[], _Part]], _Part | None],
    ) -> StackedBatch | None:
        inputs: list[Tensor | None] = []
        targets: list[Tensor | None] = []
        for place, (batches, examples) in enumerate(zip(self._batches, chosen, strict=True)):
            if batches is None or examples is None:
                inputs.append(None)
                targets.append(None)
                continue
            part = apart(place, partial(_part, batches, examples, None if drawn is None else drawn[place]))
            inputs.append(None if part is None else part[0])
            targets.append(None if part is None else part[1])
        some = next((each for each in inputs if each is not None), None)
        if some is None:
            return None
        nobody = torch.zeros_like(some)
        every = [nobody if each is None else each for each in inputs]
        stacked = torch.stack(every, dim=1 if self._maps else 0)
        if self._maps:
            stacked = channels_last(stacked.flatten(1, 2))
        return StackedBatch(stacked, targets, _together(targets, size))


def _part(batches: Batches, examples: Tensor, own: Drawn | None) -> _Part:
    """A place's batch. Raises what a regularizer raises, and CannotFuse where it makes a batch of another size or shape."""
    ((pixels, target),) = batches.gathered([examples], None)
    if own is not None:
        shape = pixels.shape
        pixels, target = own.changes.made(pixels, target, own.augment)
        if pixels.shape != shape or len(target) != len(examples):
            raise CannotFuse(f"a regularizer makes a batch of {tuple(pixels.shape)} out of one of {tuple(shape)}")
    return batches.standardise(pixels), target


_MOST_LABELS: Final = 1 << 26
"""Of all places together (512 MB)."""


def _side_by_side(stored: Sequence[ExampleTensors]) -> Tensor | None:
    """The labels of all places, (width, examples); None where targets are anything else, or too many."""
    targets = [each.targets for each in stored]
    shapes = {(each.shape, each.dtype) for each in targets}
    if len(shapes) > 1 or targets[0].ndim != 1 or targets[0].is_floating_point():
        return None
    return torch.stack(targets) if len(targets) * len(targets[0]) <= _MOST_LABELS else None


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether they are the same memory."""
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.dtype == other.dtype


def _together(targets: Sequence[Tensor | None], size: int) -> Tensor | None:
    there = [each for each in targets if each is not None]
    if any(each.ndim != 1 or each.is_floating_point() for each in there):
        return None
    return torch.stack([there[0].new_zeros(size) if each is None else each for each in targets])
