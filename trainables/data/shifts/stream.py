"""A test split as a stream: the blocks in which its examples come, what they look like then, and what has been seen."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.shifts.corruptions import corrupted, turned
from trainables.data.splits import Indices, Split, stream
from trainables.data_options import Shift, Stream
from trainables.errors import UnfitOption

Blocks = tuple[Indices, ...]
"""The examples of each block, in the order in which they come."""
MIN_IN_BLOCK: Final = 30
"""Of fewer examples neither an accuracy nor a test says anything."""
HELD_OUT: Final = 0.2
"""Share of a block that has been seen which is not trained on."""


@dataclass(frozen=True, slots=True)
class StreamSplit:
    """A test split that comes as a stream."""

    changing: Stream
    blocks: Blocks
    """All of them."""
    seen: int
    """How many have come: those that follow are the test split."""

    @property
    def reference(self) -> Indices | None:
        """The last block that has been seen: what has been held out of it is validated on. None where none has."""
        return self.blocks[self.seen - 1] if self.seen else None


def coming(blocks: int, test: Indices, alike: NDArray[np.integer], seed: int) -> Blocks:
    """Cut the test split, in an order drawn by the seed, into blocks as equal as what has to stay together allows.

    alike: (examples,), equal where examples have the same content or are of one group: they come together. Raises
    UnfitOption where a block would have fewer than MIN_IN_BLOCK.
    """
    units = np.unique(alike[test], return_inverse=True)[1]
    places = stream("stream", seed).permutation(int(units.max(initial=-1)) + 1)[units]
    order = np.argsort(places, kind="stable")
    sizes = np.bincount(places)
    middles = np.cumsum(sizes) - sizes / 2
    block_of = (middles * blocks / len(test)).astype(np.int64)[places[order]]
    cut: Blocks = tuple(test[order[block_of == block]] for block in range(blocks))
    smallest = min(range(blocks), key=lambda block: len(cut[block]))
    if len(cut[smallest]) < MIN_IN_BLOCK:
        raise UnfitOption(
            "stream",
            f"a test split of {len(test):,} examples has {len(cut[smallest])} in block {smallest} of {blocks}, and a block"
            f" needs {MIN_IN_BLOCK}; ask for fewer blocks",
        )
    return cut


def after(split: Split, blocks: Blocks, seen: int, alike: NDArray[np.integer]) -> Split:
    """What is trained, selected and tested on once so many blocks have been seen.

    Of each of these the last fifth is held out, and joins validation. alike: as for `coming`. Raises UnfitOption where a
    block cannot be divided, since all of it has to stay together.
    """
    parts = [_divided(number, block, alike) for number, block in enumerate(blocks[:seen])]
    return replace(
        split,
        train=np.concatenate([split.train, *(train for train, _ in parts)]),
        val=np.concatenate([split.val, *(held_out for _, held_out in parts)]),
        test=np.concatenate(blocks[seen:]),
    )


def _divided(number: int, block: Indices, alike: NDArray[np.integer]) -> tuple[Indices, Indices]:
    units = alike[block]
    ends = np.flatnonzero(units[1:] != units[:-1]) + 1
    if not len(ends):
        raise UnfitOption("seen", f"all examples of block {number} are of one group: none of them can be held out")
    end = int(ends[np.argmin(np.abs(ends - (1 - HELD_OUT) * len(block)))])
    return block[:end], block[end:]


def as_they_come(
    inputs: NDArray[np.uint8] | NDArray[np.float32], stream_split: StreamSplit
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """A copy of the inputs (examples, channels, height, width) with each block's under its shifts.

    What is random in them goes by the example alone, so that an image is the same whatever has been seen. Fractions are
    brought to 256 steps first.
    """
    shown, changing = inputs.copy(), stream_split.changing
    for number, block in enumerate(stream_split.blocks):
        if not (shifts := changing.acting(number)):
            continue
        images = inputs[block] if inputs.dtype == np.uint8 else np.rint(inputs[block] * 255)
        images = images.astype(np.uint8)
        for shift in shifts:
            images = _changed(images, shift, shift.degrees(number, changing.blocks), block)
        shown[block] = images if inputs.dtype == np.uint8 else images / np.float32(255)
    return shown


def _changed(images: NDArray[np.uint8], shift: Shift, degrees: float | None, seeds: Indices) -> NDArray[np.uint8]:
    if degrees is not None:
        return turned(images, degrees)
    assert shift.severity is not None, "it has the one or the other"
    return corrupted(images, shift.name, shift.severity, seeds)
