"""A data set made ready for the trials that share it: split, statistics, batches on the device."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from trainables.data.batches import Batches
from trainables.data.cache import content_hashes, decoded
from trainables.data.splits import Split, split
from trainables.data.statistics import channel_statistics
from trainables.dataset import DataInfo, DataPlace, Dataset
from trainables.protocol import Splits
from trainables.regularizer import TrainingFacts


@dataclass(frozen=True)
class Prepared:
    """What `fit` and the final measures read."""

    info: DataInfo
    split: Split
    batches: Batches
    facts: TrainingFacts


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
    counts = np.bincount(examples.targets[parts.train], minlength=len(info.classes)) if info.classes else np.empty(0)
    return Prepared(info, parts, batches, TrainingFacts(tuple(int(count) for count in counts)))
