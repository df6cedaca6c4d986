"""Decoding ahead of the training, in threads: image libraries let go of Python's lock while they work."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.streamed import Decoder

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

        key: as in `Decoder.decode`. Raises BrokenPicture at the batch that holds the picture.
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
