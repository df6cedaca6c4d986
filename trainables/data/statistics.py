"""Mean and deviation of each channel, by which inputs are standardised, or what stands in their place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.data_options import Preprocess

_LEVELS: Final = 256
_CHUNK_BYTES: Final = 4 << 20
_MIN_STD: Final = 1 / 255
"""One grey level: a channel that never changes is centred, and not blown up."""


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """Mean and deviation of inputs in 0..1. Both float32, (channels,); std is at least one grey level (1 / 255)."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]


def pixel_scale(
    inputs: NDArray[np.uint8] | NDArray[np.float32], indices: NDArray[np.int64], preprocess: Preprocess
) -> ChannelStatistics:
    """Return what pixels in 0..1 are shifted and divided by: the statistics of the examples at `indices`, or constants."""
    if preprocess == "standardize":
        return channel_statistics(inputs, indices)
    channels = inputs.shape[-3]
    greatest = 1 if preprocess == "scale" else _LEVELS - 1
    return ChannelStatistics(np.zeros(channels, np.float32), np.full(channels, 1 / greatest, np.float32))


def channel_statistics(
    inputs: NDArray[np.uint8] | NDArray[np.float32], indices: NDArray[np.int64]
) -> ChannelStatistics:
    """Over all pixels (and frames) of the examples at `indices`, which are the training split and nothing else.

    inputs: as in Examples. The standard deviation is the population's. Reads a few megabytes at a time.
    """
    return statistics_of(in_chunks(inputs, indices))


def in_chunks(
    inputs: NDArray[np.uint8] | NDArray[np.float32], indices: NDArray[np.int64]
) -> Iterator[NDArray[np.uint8] | NDArray[np.float32]]:
    """The examples at `indices`, a few megabytes at a time."""
    step = max(1, _CHUNK_BYTES // inputs[:1].nbytes)
    return (inputs[indices[start : start + step]] for start in range(0, len(indices), step))


def statistics_of(chunks: Iterable[NDArray[np.uint8] | NDArray[np.float32]]) -> ChannelStatistics:
    """Compute the statistics of the examples in these chunks, of which there is at least one."""
    mean, std = moments(chunks)
    return ChannelStatistics(mean.astype(np.float32), np.maximum(std, _MIN_STD).astype(np.float32))


def moments(
    chunks: Iterable[NDArray[np.uint8] | NDArray[np.float32]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of each channel over all pixels (and frames) of the examples in these chunks, in 0..1."""
    sums, squares, count = np.zeros(()), np.zeros(()), 0
    for examples in chunks:
        chunk: NDArray[Any] = np.moveaxis(examples, -3, 0).reshape(examples.shape[-3], -1)
        chunk_sums, chunk_squares = _byte_sums(chunk) if chunk.dtype == np.uint8 else _float_sums(chunk)
        sums = sums + chunk_sums
        squares = squares + chunk_squares
        count += chunk.shape[1]
    mean = sums / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0))


def _byte_sums(chunk: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of values and squares of each row, from its histogram: exact, and without a copy in a wider type."""
    histograms = np.stack([torch.bincount(torch.from_numpy(row), minlength=_LEVELS).numpy() for row in chunk])
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    return histograms @ levels, histograms @ levels**2


def _float_sums(chunk: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wide = chunk.astype(np.float64)
    return wide.sum(axis=1), np.einsum("cn,cn->c", wide, wide)
