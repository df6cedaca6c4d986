"""A data set made ready for the trials that share it: split, as its options ask, statistics, batches on the device."""

import typing
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainables.context import Context
from trainables.data.autoencoder import autoencoded
from trainables.data.batches import Batches
from trainables.data.cache import Contents, contents, local_location
from trainables.data.cue import drawn_cues, planted
from trainables.data.shifts.stream import StreamSplit, as_they_come
from trainables.data.splits import Split, stream
from trainables.data.statistics import pixel_scale
from trainables.data.streaming import StreamedBatches
from trainables.data.subset import TrialSplit, divided
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples, StreamedExamples
from trainables.errors import DataError
from trainables.interfaces import Regularizer, TrainingFacts
from trainables.protocol import Protocol, Splits
from trainables.spec import TrialTask
from trainables.training.predictions import split_identity


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Prepared:
    """What `fit` and the final measures read."""

    info: DataInfo
    split: Split
    batches: Batches
    facts: TrainingFacts
    unlabelled: NDArray[np.int64] = field(default_factory=_none)
    """Training examples without a label (`per_class`), as indices for `batches`; their targets there are -100."""
    tested: "TestedExamples | None" = None
    """Which examples the test split has; None where nobody asked."""
    cues: NDArray[np.int64] | None = None
    """The class that each example's planted cue stands for (`spurious`), (examples,); None where none is planted."""
    stream: StreamSplit | None = None
    """How the test split comes (`stream`), as indices for `batches`; None where it is no stream."""
    shared: "SharedInputs | None" = None
    """What `batches` are cut of, where trials of other splits read the same: None where this trial has changed its
    inputs (an autoencoder, a stream, a planted cue), and where they are decoded while they are used."""


@dataclass(frozen=True, slots=True)
class SharedInputs:
    """The decoded inputs of a data set."""

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    """As in `Examples`."""
    name: str
    """Of the data set."""
    key: str
    """Equal where the inputs of two data sets are, bit for bit."""
    cache: Path
    """Where this machine keeps what it computes once."""


@dataclass(frozen=True, slots=True)
class TestedExamples:
    """Which examples a test split has."""

    split_id: str
    fingerprint: str
    """Of the whole data set."""
    groups: NDArray[np.int64] | None
    """(test examples,): as in `Examples`; and so are the next two."""
    hashes: NDArray[np.uint64]
    indices: NDArray[np.int64]
    count: int
    """Examples in the whole data set."""
    dataset: Dataset
    location: DataLocation

    def sources(self) -> list[str]:
        """Return each example's file, or a digest of its content where the files are others by now than were decoded."""
        names = self.dataset.sources(self.location)
        if names is None or len(names) != self.count:
            return [f"{digest:016x}" for digest in self.hashes.tolist()]
        return [names[index] for index in self.indices.tolist()]


def _tested(
    dataset: Dataset, location: DataLocation, fingerprint: str, found: Contents, test: NDArray[np.int64]
) -> TestedExamples:
    groups, count = found.examples.groups, len(found.examples)
    return TestedExamples(
        split_identity(dataset, fingerprint, test, count),
        fingerprint,
        None if groups is None else groups[test],
        found.hashes[test],
        test,
        count,
        dataset,
        location,
    )


@runtime_checkable
class CachesFeatures(typing.Protocol):
    """A model that reads less than the images, once it has read each of them."""

    def cache_features(
        self,
        module: nn.Module,
        data: Prepared,
        regularizers: Sequence[Regularizer],
        protocol: Protocol,
        context: Context,
    ) -> Prepared:
        """The data as the module is to read it: once computed what it would make of an image again and again, say."""


def prepared_for(trial_task: TrialTask, device: torch.device) -> Prepared:
    """The data of a trial, as its spec has it split. Raises DataError."""
    spec = trial_task.spec
    return prepared(
        spec.dataset,
        local_location(trial_task.location),
        spec.fingerprint,
        spec.protocol.splits,
        spec.seeds.split,
        device,
        spec.fold_seed,
        spec.protocol.validation_per_class,
    )


_StreamKey = tuple[Dataset, DataLocation, str, Splits, int, int | None]
_shown: dict[_StreamKey, NDArray[np.uint8] | NDArray[np.float32]] = {}
"""The images of one stream as they come, which are the same for all trials of a seed, whatever has been seen."""


def _as_they_come(
    inputs: NDArray[np.uint8] | NDArray[np.float32], stream_split: StreamSplit, key: _StreamKey
) -> NDArray[np.uint8] | NDArray[np.float32]:
    if key not in _shown:
        _shown.clear()
        _shown[key] = as_they_come(inputs, stream_split)
    return _shown[key]


@lru_cache(maxsize=1)  # a slot's next trial mostly has the same data and seed; more would hold more of the GPU's memory
def prepared(
    dataset: Dataset,
    location: DataLocation,
    fingerprint: str,
    splits: Splits,
    split_seed: int,
    device: torch.device,
    seed: int = 0,
    validation_per_class: int | None = None,
) -> Prepared:
    """Decode (or map what is decoded), split, and scale by the training split alone. Raises DataError.

    seed: the trial's own, which picks the fold of a cross-validation; all else comes from `split_seed`.
    """
    found = contents(dataset, location, fingerprint)
    info, reason = dataset.under_options(found.info), dataset.unsupported_reason(found.info)
    if reason is not None:
        raise DataError(reason)
    examples = found.examples
    seeds, per_class = (split_seed, seed), validation_per_class
    trial_split = divided(dataset, examples, found.hashes, info.classes, splits, *seeds, validation_per_class=per_class)
    train = trial_split.split.train
    if isinstance(examples, StreamedExamples):
        labelled = replace(examples, targets=trial_split.targets)
        batches: Batches = StreamedBatches(labelled, info, train, split_seed, device)
        cues, shared = None, None
    else:
        whole = dataset.model_copy(update={"seen": 0})
        key = whole, location, fingerprint, splits, split_seed, validation_per_class
        changed, cues = _changed(dataset, examples, trial_split, info, split_seed, device, key)
        scale = pixel_scale(changed.inputs, train, dataset.preprocess)
        batches = Batches(changed, scale, device, channels_last=info.input == "image")
        shared = None
        if found.inputs_key is not None and changed.inputs is examples.inputs:
            shared = SharedInputs(examples.inputs, dataset.name, found.inputs_key, location.cache)
    counts = np.bincount(trial_split.targets[train], minlength=len(info.classes)) if info.classes else np.empty(0)
    mean, std = (tuple(float(value) for value in each) for each in (batches.statistics.mean, batches.statistics.std))
    facts = TrainingFacts(tuple(int(count) for count in counts), mean, std)
    tested = _tested(dataset, location, fingerprint, found, trial_split.split.test)
    return Prepared(
        info, trial_split.split, batches, facts, trial_split.unlabelled, tested, cues, trial_split.stream, shared
    )


def _changed(
    dataset: Dataset,
    examples: Examples,
    trial_split: TrialSplit,
    info: DataInfo,
    split_seed: int,
    device: torch.device,
    key: _StreamKey,
) -> tuple[Examples, NDArray[np.int64] | None]:
    """The examples as this trial sees them, and their cues. The cue is planted last, so that no filter takes it away."""
    inputs, cues = examples.inputs, None
    if dataset.denoise == "autoencoder":
        seed = int(stream("autoencoder", split_seed).integers(1 << 62))
        inputs = autoencoded(inputs, trial_split.split.train, seed, device)
    test = trial_split.split.test
    if trial_split.stream is not None:
        inputs = _as_they_come(inputs, trial_split.stream, key)
        test = np.concatenate(trial_split.stream.blocks)  # what has been seen of a stream came as the rest of it does
    if dataset.spurious is not None:
        tested = np.isin(np.arange(len(examples)), test)
        generator = stream("spurious", split_seed)
        # by the true labels: which patch an image bears is not changed by what it is later taken for
        cues = drawn_cues(examples.targets.astype(np.int64), len(info.classes), dataset.spurious, tested, generator)
        inputs = planted(inputs, cues)
    return replace(examples, inputs=inputs, targets=trial_split.targets), cues
