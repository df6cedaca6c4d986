"""One trial, fully resolved, and its identity."""

from __future__ import annotations  # who only reads results (`orch status`) comes by here and must not wait for torch

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from hashlib import blake2b
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from trainables.component import Component, PerWorker
from trainables.dataset import Dataset
from trainables.interfaces import Deployment, Measurement, Model, Optimizer, Regularizer
from trainables.protocol import Protocol
from trainables.records import Seeds

if TYPE_CHECKING:
    from trainables.dataset import DataLocation

# What is handed to a slot for one attempt at a trial.


@dataclass(frozen=True)
class Checkpoints:
    """Where the state of a trial is kept while it runs, and how often."""

    folder: Path
    """The trial's own; made with the first checkpoint."""
    seconds: float
    """Kept after an epoch when so much time has passed since the last one, or since training began."""
    keep: Literal["unfinished", "last", "best"] = "unfinished"
    """`last`: the last epoch's whatever the time; `best`: the selected epoch's beside it."""
    resume: int = 0
    """The epoch that the attempt goes on from, as its slot has found it; 0 is from the beginning."""


@dataclass(frozen=True, slots=True)
class ParentTrial:
    """The trial whose net a variant is made of, or a measurement is about."""

    trial_id: str
    weights: Path
    """Where its selected weights are kept."""
    test_loss: float | None
    """As its row has it: what the weights have to give again. None where the row has none."""


@dataclass(frozen=True)
class TrialTask:
    """One attempt at one trial. Travels to another process, so everything in it can be pickled."""

    trial_id: str
    attempt: int
    """Counts from 1 over the life of the results directory."""
    spec: TrialSpec
    location: DataLocation
    weights: Path | None
    """Where the selected weights are kept (safetensors), or None."""
    image: Path | None = None
    """Where an image is kept (PNG), if the trial has one to show."""
    purpose: Literal["evaluation", "tuning"] = "evaluation"
    """A tuning trial is measured on validation alone: it never reads the test split."""
    checkpoints: Checkpoints | None = None
    """None where none are kept."""
    split_is_known: bool = False
    """Whether the sweep has the examples of its test split already, which then need not travel."""
    parent: ParentTrial | None = None
    """Of a variant or a measurement; None where the trial trains a net of its own."""
    measurement: Measurement | None = None
    """What is found out about the parent's net, where that is all."""
    beside: tuple[TrialTask, ...] = ()
    """The tasks of the trials that train in one stack with it, whose own `beside` are empty."""

    @property
    def fused(self) -> bool:
        """Whether it trains in a stack."""
        return self.parent is None and self.spec.protocol.fuse > 1

    def resumed_at(self, epoch: int) -> TrialTask:
        """The same, going on from this epoch."""
        if self.checkpoints is None or self.checkpoints.resume == epoch:
            return self
        return replace(self, checkpoints=replace(self.checkpoints, resume=epoch))


TRAINING_VERSION: Final = 1
"""Raised when the training loop, the splits or the metrics come to give other figures for the same configuration."""


Source = Literal["split", "init", "order", "augment"]
"""What a trial's seed decides: a source of variance between the trials of a cell (Bouthillier et al. 2021)."""
SOURCES: Final[tuple[Source, ...]] = get_args(Source)


@dataclass(frozen=True)
class Variation:
    """The seeds of a cell vary some of the sources; the others are as the first seed has them."""

    sources: tuple[Source, ...]
    """In the order of `SOURCES`, and not all of them."""
    first: int

    def seed(self, source: Source, seed: int) -> int:
        """The seed that this source has of a trial with this seed."""
        return seed if source in self.sources else self.first


@dataclass(frozen=True)
class TrialSpec:
    """What a trainable executes."""

    dataset: Dataset
    model: Model
    optimizer: Optimizer
    regularizers: tuple[Regularizer, ...]
    protocol: Protocol
    seed: int
    fingerprint: str
    """Of the data set's content."""
    workers: int = 1
    """Processes that train it together."""
    variation: Variation | None = None
    """None where its seed decides everything."""
    held_out: int | None = None
    """The seed whose fold of a cross-validation it stays out of, where that is not its own: it tunes within that fold."""
    deployment: Deployment | None = None
    """What makes the net of its parent's, which all else describes; None of a trial that trains."""

    @property
    def seeds(self) -> Seeds:
        """The streams that it draws from."""
        return derived_seeds(self.seed, self.variation)

    @property
    def fold_seed(self) -> int:
        """What picks its fold of a cross-validation, which is part of the split."""
        if self.held_out is not None:
            return self.held_out
        return split_seed(self.seed, self.variation)

    @property
    def cell_id(self) -> str:
        cell = cell_identity(
            dataset_digest(self.dataset, self.fingerprint),
            self.model.digest(),
            self.optimizer.digest(),
            combined_digest(self.regularizers),
            settings_digest(self.protocol, self.variation),
        )
        apart = done_apart(self.model, self.regularizers)
        trained = identity_of_workers(cell, counted_workers(self.workers, self.protocol, apart))
        return (trained if self.deployment is None else variant_identity(trained, self.deployment.digest())).hex()

    @property
    def trial_id(self) -> str:
        return trial_identity(bytes.fromhex(self.cell_id), self.seed)


def dataset_digest(dataset: Dataset, fingerprint: str) -> bytes:
    """A data set is its configuration and its content."""
    return blake2b(dataset.digest() + fingerprint.encode(), digest_size=16).digest()


def settings_digest(protocol: Protocol, variation: Variation | None) -> bytes:
    """What holds for a cell beside its components: the protocol, and what its seeds vary where that is not all."""
    if variation is None:
        return protocol.digest()
    varied = json.dumps([*variation.sources, variation.first])
    return blake2b(protocol.digest() + varied.encode(), digest_size=16).digest()


def combined_digest(components: Sequence[Component]) -> bytes:
    """Several regularizers in one level, in their order. None of them is the same as `none`."""
    return joined_digest(part.digest() for part in components if part.name != "none")


def joined_digest(digests: Iterable[bytes]) -> bytes:
    """16 bytes that stand for several components in their order."""
    return blake2b(b"".join(digests), digest_size=16).digest()


def cell_identity(dataset: bytes, model: bytes, optimizer: bytes, regularizer: bytes, protocol: bytes) -> bytes:
    """8 bytes that stand for a cell, from the digests of its parts."""
    version = TRAINING_VERSION.to_bytes(2, "big")
    return blake2b(version + dataset + model + optimizer + regularizer + protocol, digest_size=8).digest()


def done_apart(model: Model, regularizers: Iterable[Regularizer]) -> PerWorker:
    """What the workers of a trial with these components do each by itself."""
    return reduce(or_, (regularizer.per_worker for regularizer in regularizers), model.per_worker)


def counted_workers(workers: int, protocol: Protocol, apart: PerWorker) -> int:
    """How many workers belong to a trial's identity: 1 where any number of them trains it alike (ADR 23)."""
    if protocol.sync_batch_norm:
        apart &= ~PerWorker.STATISTICS
    return workers if apart else 1


def identity_of_workers(cell: bytes, counted: int) -> bytes:
    """8 bytes that stand for a cell trained by so many workers; by 1 it is the cell as it is.

    Made of the cell's identity without them, so that results of before workers counted can be given their ids.
    """
    if counted == 1:
        return cell
    return blake2b(b"workers" + cell + counted.to_bytes(8, "big"), digest_size=8).digest()


def variant_identity(parent: bytes, deployment: bytes) -> bytes:
    """8 bytes that stand for a cell of variants. parent: the identity of the cell that trains; deployment: a digest."""
    return blake2b(b"deployment" + parent + deployment, digest_size=8).digest()


def measurement_identity(cell: bytes, measurement: bytes) -> bytes:
    """8 bytes that stand for what is found out about the nets of a cell. measurement: a digest."""
    return blake2b(b"measurement" + cell + measurement, digest_size=8).digest()


def trial_identity(cell: bytes, seed: int) -> str:
    """16 hex digits that stand for a trial."""
    return blake2b(cell + seed.to_bytes(8, "big"), digest_size=8).hexdigest()


def tuning_identity(cell: bytes, number: int, held_out: int | None = None) -> str:
    """16 hex digits that stand for a tuning trial: what it is to try is not known before.

    held_out: the seed whose fold it stays out of, where the cell is tuned within each fold.
    """
    fold = b"" if held_out is None else held_out.to_bytes(8, "big")
    return blake2b(b"tuning" + cell + fold + number.to_bytes(8, "big"), digest_size=8).hexdigest()


def tuned_identity(cell: bytes, values: str) -> str:
    """16 hex digits that stand for a cell under values (JSON) of its open parameters."""
    return blake2b(cell + values.encode(), digest_size=8).hexdigest()


def split_seed(seed: int, variation: Variation | None) -> int:
    """What decides the split of a trial with this seed, and picks its fold."""
    return seed if variation is None else variation.seed("split", seed)


def derived_seeds(seed: int, variation: Variation | None = None) -> Seeds:
    """Independent streams for split, initialisation, data order and augmentation (63 bits each)."""
    return Seeds(
        *(derived_seed(source, seed if variation is None else variation.seed(source, seed)) for source in SOURCES)
    )


def derived_seed(purpose: str, seed: int) -> int:
    """A seed of its own for a purpose (63 bits), independent of those for others."""
    return int.from_bytes(blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest(), "big") >> 1
