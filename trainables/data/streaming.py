"""Batches of examples that are decoded while they are trained on."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.batches import Batches
from trainables.data.statistics import ChannelStatistics, pixel_scale, statistics_of
from trainables.dataset import DataInfo, Decoder, Examples, StreamedExamples

# Decoding ahead of the training, in threads: image libraries let go of Python's lock while they work.

Inputs = NDArray[np.uint8]
Indices = NDArray[np.int64]

_AHEAD: Final = 2
"""Batches that are decoded while one is trained on: with more, only memory would be gained."""


class _Started(NamedTuple):
    """A batch that is being decoded."""

    inputs: Inputs
    """Filled by the threads."""
    parts: list[Future[None]]


class Decoding:
    """Reads batches of examples. The threads stay for the life of the process."""

    def __init__(self, decoder: Decoder, shape: tuple[int, ...], threads: int) -> None:
        """shape: of one input. threads: as many as the trial may use CPUs."""
        self._decoder, self._shape, self._threads = decoder, shape, threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def read(self, batches: Iterable[Indices], key: int | None) -> Iterator[Inputs]:
        """The inputs of each batch in order, uint8 (batch, *shape), at most three batches in memory.

        key: as in `Decoder.decode`. Raises BrokenImage at the batch that holds the image.
        """
        started: deque[_Started] = deque()
        waiting = iter(batches)
        try:
            for batch in waiting:
                started.append(self._start(batch, key))
                if len(started) > _AHEAD:
                    yield _finished(started.popleft())
            while started:
                yield _finished(started.popleft())
        finally:  # also where the training stops in the middle of an epoch
            for left in started:
                for part in left.parts:
                    part.cancel()

    def _start(self, batch: Indices, key: int | None) -> _Started:
        inputs = np.empty((len(batch), *self._shape), np.uint8)
        step = max(1, -(-len(batch) // self._threads))
        parts = [
            self._pool.submit(self._fill, inputs[first : first + step], batch[first : first + step], key)
            for first in range(0, len(batch), step)
        ]
        return _Started(inputs, parts)

    def _fill(self, rows: Inputs, examples: Indices, key: int | None) -> None:
        for row, example in zip(rows, examples, strict=True):
            row[:] = self._decoder.decode(int(example), key)


def _finished(batch: _Started) -> Inputs:
    for part in batch.parts:
        part.result()
    return batch.inputs


_MAX_KEYS: Final = 2**62
_SAMPLE: Final = 1000
"""Examples whose statistics stand for the training split's: of ImageNet, known to within half a hundredth of the range."""
_PART: Final = 16
"""Examples of the sample that are in memory at a time."""


class StreamedBatches(Batches):
    """The same surface as `Batches`; at most three batches are in memory."""

    def __init__(
        self,
        examples: StreamedExamples,
        info: DataInfo,
        train: NDArray[np.int64],
        seed: int,
        device: torch.device,
    ) -> None:
        """train: the training split; where it is standardised by its statistics, they are of a sample drawn with `seed`.

        Decodes with as many threads as torch may use, which is what the slot has CPUs. Raises BrokenImage.
        """
        self.shape = info.shape
        self._decoding = Decoding(examples.decoder, info.shape, threads=torch.get_num_threads())
        self._labels = examples.targets
        self._standardise_by(self._scale(info, train, seed), device, channels_last=info.input == "image")

    def examples(self, indices: NDArray[np.int64]) -> Examples:
        """Decode these, all at once. Raises BrokenImage."""
        (inputs,) = self._decoding.read([indices], None)
        return Examples(inputs, self._labels[indices], np.zeros(len(indices), np.bool_))

    def joined(self, more: Examples) -> tuple[Batches, NDArray[np.int64]]:
        raise NotImplementedError(
            "what is decoded while it is used cannot be added to; who asks for it refuses such data"
        )

    def _scale(self, info: DataInfo, train: NDArray[np.int64], seed: int) -> ChannelStatistics:
        if info.preprocess != "standardize":
            return pixel_scale(np.empty((0, *info.shape), np.uint8), train, info.preprocess)
        sample = train
        if len(train) > _SAMPLE:
            sample = np.sort(np.random.default_rng(seed).choice(train, _SAMPLE, replace=False))
        parts = (sample[start : start + _PART] for start in range(0, len(sample), _PART))
        return statistics_of(self._decoding.read(parts, None))

    def beside(self, indices: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(indices)

    def gathered(self, parts: Iterable[Tensor], augment: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        chosen: list[NDArray[np.int64]] = []

        def noted() -> Iterator[NDArray[np.int64]]:
            for part in parts:
                chosen.append(part.numpy())
                yield chosen[-1]

        for inputs in self._decoding.read(noted(), _key(augment)):
            targets = self._labels[chosen.pop(0)]
            yield torch.from_numpy(inputs).to(self._device), torch.from_numpy(targets).to(self._device)


def _key(augment: torch.Generator | None) -> int | None:
    """Return what an epoch's random parts are drawn by."""
    if augment is None:
        return None
    return int(torch.randint(_MAX_KEYS, (1,), generator=augment, device=augment.device))
