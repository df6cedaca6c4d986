"""The examples of a data set and what tells their contents apart, whether they are decoded once or while they are used."""

import numpy as np
from numpy.typing import NDArray

from trainables.data.cache import content_hashes, decoded
from trainables.dataset import DataPlace, Dataset, Examples
from trainables.streamed import StreamedExamples


def contents(
    dataset: Dataset, place: DataPlace, fingerprint: str
) -> tuple[Examples | StreamedExamples, NDArray[np.uint64]]:
    """The examples, and uint64 (examples,), equal where two have the same content. Raises DataError, as `decoded` does."""
    streamed = dataset.streamed(place)
    if streamed is not None:
        return streamed, streamed.decoder.content_hashes()
    return decoded(dataset, place, fingerprint), content_hashes(dataset, place, fingerprint)
