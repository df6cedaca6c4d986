"""The examples of a data set and what tells their contents apart, whether they are decoded once or while they are used."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainables.data.cache import content_hashes, decoded, kept_info, refuse_other_content
from trainables.dataset import DataInfo, DataPlace, Dataset, Examples
from trainables.streamed import StreamedExamples


@dataclass(frozen=True, slots=True)
class Contents:
    """A data set as its fingerprint says it is, whatever becomes of its files."""

    info: DataInfo
    """Without the data set's options."""
    examples: Examples | StreamedExamples
    hashes: NDArray[np.uint64]
    """(examples,), equal where two have the same content."""


def contents(dataset: Dataset, place: DataPlace, fingerprint: str) -> Contents:
    """What has this fingerprint. Raises DataError, as `decoded` does, where the files are others by now."""
    streamed = dataset.streamed(place)
    if streamed is not None:
        hashes, info = streamed.decoder.content_hashes(), dataset.info(place)
        refuse_other_content(dataset, place, fingerprint)
        return Contents(info, streamed, hashes)
    examples, hashes = decoded(dataset, place, fingerprint), content_hashes(dataset, place, fingerprint)
    return Contents(kept_info(dataset, place, fingerprint), examples, hashes)
