"""Batches on a device, cut from arrays: gathered, changed by the regularizers, standardised."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from mmap import mmap
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.statistics import ChannelStatistics
from trainables.dataset import Examples
from trainables.interfaces import Regularizer, State

# Where the examples lie while batches are cut from them: in the memory of the GPU, or mapped from the file.

_SHARE_OF_FREE_MEMORY: Final = 0.5
"""The rest is for models and their activations."""


class ExampleTensors(NamedTuple):
    """All examples as tensors on one device, in the types of `Examples`. Not to be written to."""

    inputs: Tensor
    targets: Tensor


_resident: dict[tuple[Path, torch.device], Tensor] = {}
"""The inputs that lie on a GPU now: of one data set, since more would take memory from the trials."""


def on_device(examples: Examples, device: torch.device) -> ExampleTensors:
    """The examples where batches are best cut from them.

    On a CPU nothing is copied. On a GPU the inputs are moved once, and stay for the next trials of this process when they
    come from the decoded cache. Those that would take more than half of its free memory stay on the CPU.
    """
    filename = getattr(examples.inputs, "filename", None)
    here = ExampleTensors(_mapped_once(examples.inputs, filename), _shared(examples.targets))
    if device.type == "cpu":
        return here
    inputs = _inputs_on(device, here.inputs, filename)
    # targets are a trial's own (`label_noise`), and lie where the inputs do
    return ExampleTensors(inputs, here.targets.to(inputs.device))


def _inputs_on(device: torch.device, inputs: Tensor, filename: str | None) -> Tensor:
    if filename is None:
        return _moved(inputs, device)
    key = (Path(filename), device)
    if key not in _resident:
        _resident.clear()
        moved = _moved(inputs, device)
        if moved is inputs:
            return inputs
        _resident[key] = moved
    return _resident[key]


def _moved(inputs: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and inputs.nbytes > _SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]:
        return inputs
    return inputs.to(device)


_mapped: "WeakValueDictionary[tuple[str, tuple[int, ...]], Tensor]" = WeakValueDictionary()
"""Inputs that are mapped from a file now, by its name and their shape: trials of one stack gather from one of them."""


def _mapped_once(array: NDArray[np.generic], filename: str | None) -> Tensor:
    """As `_shared`; of a whole file that is mapped already, what is there."""
    if filename is None or not isinstance(array.base, mmap):  # a part of one knows the file too
        return _shared(array)
    key = str(filename), array.shape
    if (tensor := _mapped.get(key)) is None:
        tensor = _mapped[key] = _shared(array)
    return tensor


def _shared(array: NDArray[np.generic]) -> Tensor:
    """A tensor over the same memory."""
    with warnings.catch_warnings():
        # batches are gathered into memory of their own, so nothing writes to the map
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


# Targets as probabilities of the classes: what labels become when they are smoothed, mixed or weighed.


def soft(targets: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Labels int64 (batch,) as (batch, classes) of ones and zeros; probabilities (batch, classes) as they are."""
    return targets.to(dtype) if targets.is_floating_point() else F.one_hot(targets, classes).to(dtype)


def soft_beside(outputs: Tensor, targets: Tensor) -> Tensor:
    """`soft` in the shape and type of a classifier's outputs."""
    return soft(targets, outputs.shape[1], outputs.dtype)


class BatchChanges:
    """What regularizers make of training batches."""

    def __init__(self, regularizers: Sequence[Regularizer], classes: int) -> None:
        """classes: of the task; targets become probabilities of so many where a regularizer mixes them."""
        self._changes = [each.on_batch for each in regularizers if type(each).on_batch is not Regularizer.on_batch]
        self.mixes = any(regularizer.mixes_classes for regularizer in regularizers)
        self._classes = classes

    def __bool__(self) -> bool:
        """Whether they make anything of them."""
        return self.mixes or bool(self._changes)

    def made(self, inputs: Tensor, targets: Tensor, augment: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and targets as `Regularizer.on_batch` has them."""
        if self.mixes:
            targets = soft(targets, self._classes)
        for change in self._changes:
            inputs, targets = change(inputs, targets, augment)
        return inputs, targets


Shard = Callable[[int], slice]
"""`Context.shard`: which of so many examples are this rank's."""

_MIN_PER_RANK: Final = 2
"""Batch norm has no statistics of one value."""
_MANY: Final = 1 << 30


class Batches:
    """Batches of one data set on one device, standardised by its training split (or scaled as its `preprocess` asks)."""

    _stored_as: torch.dtype = torch.uint8
    """Type of the inputs before they are standardised."""
    _are_stored = False
    """Whether inputs come as they are stored."""

    def __init__(
        self, examples: Examples, statistics: ChannelStatistics, device: torch.device, channels_last: bool
    ) -> None:
        """channels_last: the memory format of the inputs, which have to be images then."""
        self.shape: tuple[int, ...] = examples.inputs.shape[1:]
        self._inputs, self._targets = on_device(examples, device)
        self._stored_as = self._inputs.dtype
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
        """Yield this rank's part of each batch of one epoch, in an order drawn from `order`.

        batch_size: over all ranks. The last batch may be smaller; one that would give a rank fewer than two examples
        is joined to the batch before it. order: on the CPU and in the same state on every rank. augment: on the
        device. classes: of the task; targets become probabilities of so many where a regularizer mixes them. skip: so many
        batches are left out; where no regularizer draws, the others are what they would have been. Yields inputs, float32
        (batch, *shape), and targets as in Examples unless a regularizer changed them.
        """
        changes = BatchChanges(regularizers, classes)
        parts = self.shuffled(indices, batch_size, order, shard)[skip:]
        for inputs, targets in self.gathered(parts, augment):
            inputs, targets = changes.made(inputs, targets, augment)
            yield self.standardise(inputs), targets

    def shuffled(
        self, indices: NDArray[np.int64], batch_size: int, order: torch.Generator, shard: Shard
    ) -> list[Tensor]:
        """This rank's part of each batch of one epoch, int64 (part,) where the inputs lie; as `training` takes them."""
        shuffled = self.beside(indices[torch.randperm(len(indices), generator=order).numpy()])
        bounds = _bounds(len(indices), batch_size, shard)
        return [shuffled[start:stop][shard(stop - start)] for start, stop in bounds]

    def evaluation(self, indices: NDArray[np.int64], batch_size: int, shard: Shard) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this rank's part of a split, in order; at least one batch, which is empty where the rank has no part.

        batch_size: of one rank.
        """
        mine = self.beside(indices)[shard(len(indices))]
        parts = (mine[start : start + batch_size] for start in range(0, max(1, len(mine)), batch_size))
        for inputs, targets in self.gathered(parts, None):
            yield self.standardise(inputs), targets

    def examples(self, indices: NDArray[np.int64]) -> Examples:
        """Copies of these examples, as they are stored."""
        chosen = self.beside(indices)
        inputs, targets = (values.index_select(0, chosen).cpu().numpy() for values in (self._inputs, self._targets))
        return Examples(inputs, targets, np.zeros(len(indices), dtype=np.bool_))

    def joined(self, more: Examples) -> tuple["Batches", NDArray[np.int64]]:
        """The same with these examples at the end, standardised alike, and the indices that they have there."""
        result = copy(self)
        result._inputs = torch.cat((self._inputs, torch.from_numpy(more.inputs).to(self._inputs.device)))
        result._targets = torch.cat((self._targets, torch.from_numpy(more.targets).to(self._targets.device)))
        return result, np.arange(len(self._inputs), len(result._inputs))

    def as_stored(self) -> "Batches":
        """The same, whose inputs come as they are stored."""
        result = copy(self)
        result._are_stored = True
        return result

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """What stored inputs are multiplied by, and what is added then: (channels, 1, 1) each."""
        return self._scale_of(self._stored_as), self._shift

    def standardise(self, inputs: Tensor) -> Tensor:
        """uint8 in 0..255 or floats in 0..1 as float32 of mean 0 and deviation 1. `inputs` stay as they are."""
        if self._are_stored:
            return inputs
        scale = self._scale_of(inputs.dtype)
        fresh = inputs.to(torch.float32, memory_format=torch.contiguous_format, copy=True).mul_(scale).add_(self._shift)
        return channels_last(fresh) if self._wants_channels_last else fresh

    def _scale_of(self, stored: torch.dtype) -> Tensor:
        return self._scale_of_byte if stored == torch.uint8 else self._scale_of_unit

    @property
    def stored(self) -> ExampleTensors:
        """All examples."""
        return ExampleTensors(self._inputs, self._targets)

    def beside(self, indices: NDArray[np.int64]) -> Tensor:
        """The indices where the inputs lie."""
        return torch.from_numpy(indices).to(self._inputs.device)

    def gathered(self, parts: Iterable[Tensor], augment: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Copies of each part's examples on the device. augment: as in `training`; None where nothing is at random."""
        for chosen in parts:
            inputs, targets = self._inputs.index_select(0, chosen), self._targets.index_select(0, chosen)
            yield inputs.to(self._device), targets.to(self._device)


def channels_last(images: Tensor) -> Tensor:
    """Convert to that memory format, channel by channel: on a CPU torch's own conversion takes four times as long."""
    if images.requires_grad:  # which goes through no copy into a part of another tensor
        return images.contiguous(memory_format=torch.channels_last)
    if images.is_contiguous(memory_format=torch.channels_last):
        return images
    result = torch.empty_like(images, memory_format=torch.channels_last)
    for there, here in zip(result.unbind(1), images.unbind(1), strict=True):
        there.copy_(here)
    return result


def steps(count: int, batch_size: int, shard: Shard) -> int:
    """Return how many batches `Batches.training` makes of `count` examples; the same on every rank."""
    return len(_bounds(count, batch_size, shard))


def sizes(count: int, batch_size: int, shard: Shard) -> list[int]:
    """Return how many examples each batch of `Batches.training` has, over all ranks; the same on every rank."""
    return [stop - start for start, stop in _bounds(count, batch_size, shard)]


def _bounds(count: int, batch_size: int, shard: Shard) -> list[tuple[int, int]]:
    """Return where each batch starts and stops."""
    if not count:  # where a net is put together that nobody trains
        return []
    starts = list(range(0, count, batch_size))
    least = min(_MIN_PER_RANK * _ranks(shard), batch_size)
    if len(starts) > 1 and count - starts[-1] < least:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))


def _ranks(shard: Shard) -> int:
    """Return into how many parts `shard` divides."""
    part = shard(_MANY)
    size: int = part.stop - part.start
    return round(_MANY / size)


# Training images without their labels, for models that learn from those too.


class UnlabelledBatches:
    """Batches of standardised images without end: each image once, then all of them again in another order."""

    def __init__(
        self,
        batches: Batches,
        indices: NDArray[np.int64],
        batch_size: int,
        shard: Shard,
        seed: int,
        device: torch.device,
    ) -> None:
        """indices: of the training split and what was left out of it, never of validation or test.

        batch_size: over all ranks. seed: the same on every rank.
        """
        self.black: Final = _level(batches, 0.0, device)
        """What a pixel of 0 is after standardisation: (1, channels, 1, 1)."""
        self.white: Final = _level(batches, 1.0, device)
        self._count = len(indices)
        self._sizes: Final = sizes(len(indices), batch_size, shard)
        self._cut: Final = partial(batches.training, indices, batch_size, ())
        self._shard = shard
        self._order = torch.Generator().manual_seed(seed)
        # no regularizer changes these images; those that are decoded while they are used are cropped at random
        self._crops = torch.Generator(device).manual_seed(seed)
        self._drawn = 0
        """Batches of this time round."""
        self._begin()

    def __len__(self) -> int:
        """Images, over all ranks."""
        return self._count

    @property
    def drawn_size(self) -> int:
        """Images of the batch drawn last, over all ranks."""
        return self._sizes[self._drawn - 1]

    def draw(self) -> Tensor:
        """Return this rank's part of the next batch: float32 (batch, *shape)."""
        # a generator of its own that looped over the rounds would hold this object, and with it all data, in a cycle
        while (batch := next(self._round, None)) is None:
            self._drawn = 0
            self._begin()
        self._drawn += 1
        return batch[0]

    def state(self) -> State:
        """The same on every rank."""
        order, crops = self._began
        return {"order": order, "crops": crops, "drawn": self._drawn}

    def load_state(self, state: State) -> None:
        """Go on behind the batches that had been drawn."""
        self._order.set_state(state["order"])
        self._crops.set_state(state["crops"])
        self._drawn = state["drawn"]
        self._begin()

    def _begin(self) -> None:
        """Begin a time round, behind what was drawn of it."""
        self._began = self._generators()
        self._round = self._cut(self._order, self._crops, self._shard, skip=self._drawn)

    def _generators(self) -> tuple[Tensor, Tensor]:
        """Return where the generators stand."""
        return self._order.get_state(), self._crops.get_state()


def _level(batches: Batches, value: float, device: torch.device) -> Tensor:
    return batches.standardise(torch.full((1, batches.shape[-3], 1, 1), value, device=device))
