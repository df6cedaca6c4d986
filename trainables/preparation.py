"""A data set made ready for the trials that share it: split, statistics, batches on the device."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from trainables.data.batches import Batches
from trainables.data.cache import content_hashes, decoded
from trainables.data.splits import Split, split
from trainables.data.statistics import channel_statistics
from trainables.dataset import DataInfo, DataPlace, Dataset
from trainables.protocol import Splits


@dataclass(frozen=True)
class Prepared:
    """What `fit` and the final measures read."""

    info: DataInfo
    split: Split
    batches: Batches


@lru_cache(maxsize=1)  # a slot's next trial mostly has the same data and seed; more would hold more of the GPU's memory
def prepared(
    dataset: Dataset, place: DataPlace, fingerprint: str, splits: Splits, split_seed: int, device: torch.device
) -> Prepared:
    """Decode (or map what is decoded), split, and standardise by the training split alone. Raises DataError."""
    info = dataset.info(place)
    examples = decoded(dataset, place, fingerprint)
    parts = split(examples, content_hashes(dataset, place, fingerprint), bool(info.classes), splits, split_seed)
    statistics = channel_statistics(examples.inputs, parts.train)
    batches = Batches(examples, statistics, device, channels_last=info.input == "image")
    return Prepared(info, parts, batches)
