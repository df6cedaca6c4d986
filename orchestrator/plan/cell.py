"""A cell of a plan: its levels, what holds for it, and its identity."""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple, cast

from orchestrator.engine import Shape
from orchestrator.grid.levels import Level
from orchestrator.grid.measurements import label_of
from orchestrator.grid.settings import Resources
from orchestrator.grid.tuning import TuningSpec
from orchestrator.plan.resolve import LocatedData
from results_schema import EVALUATION, MEASUREMENT, UPDATE
from trainables import NOTHING_MADE
from trainables.component import PerWorker
from trainables.fusion.support import fusion_key
from trainables.interfaces import Deployment, Measurement, Model, Optimizer, Regularizer
from trainables.protocol import Protocol
from trainables.spec import (
    TrialSpec,
    Variation,
    cell_identity,
    counted_workers,
    done_apart,
    identity_of_workers,
    measurement_identity,
    split_seed,
    trial_identity,
    tuning_identity,
    variant_identity,
)


class Settings(NamedTuple):
    """What holds for a cell beside its levels."""

    protocol: Protocol
    resources: Resources
    digest: bytes
    """Of the protocol, of what seeds vary where that is not all, and of the tuning where there is one."""
    tuning: TuningSpec | None = None
    """How the cell's open parameters are tuned; None where nothing is."""
    variation: Variation | None = None
    """What of its trials their seeds vary; None where that is all."""
    alone: str | None = None
    """Why its trials do not train in a stack, where the grid asks for that."""

    def unpredicted(self) -> "Settings":
        """The same, of trials that leave nothing of what they say of each test example; their identity is the same."""
        return self._replace(protocol=self.protocol.model_copy(update={"keep_predictions": False}))


def deploys(deployment: Level) -> bool:
    """Whether a level makes something of a net that another trial trains."""
    return deployment.parts[0].component.name != NOTHING_MADE


def identity_of(
    dataset: bytes, model: Level, optimizer: Level, regularizer: Level, deployment: Level, settings: Settings
) -> bytes:
    """8 bytes that stand for a cell of these levels, as `TrialSpec.cell_id` has them where nothing is tuned."""
    trained = trained_identity(dataset, model, optimizer, regularizer, settings)
    return variant_identity(trained, deployment.digest) if deploys(deployment) else trained


def trained_identity(dataset: bytes, model: Level, optimizer: Level, regularizer: Level, settings: Settings) -> bytes:
    """8 bytes that stand for a cell whose trials train, or for that whose nets another is made of.

    dataset: the digest of the data. Components are only built where there are workers to ask them about.
    """
    digests = (model.digest, optimizer.digest, regularizer.combined_digest, settings.digest)
    cell = cell_identity(dataset, *digests)
    return identity_of_workers(cell, _counted_workers(model, regularizer, settings))


def _counted_workers(model: Level, regularizer: Level, settings: Settings) -> int:
    workers = settings.resources.workers
    if workers == 1:
        return 1
    if settings.tuning is not None and settings.tuning.opens("model", "regularizer"):  # each try may be another net
        return counted_workers(workers, settings.protocol, PerWorker.STATISTICS | PerWorker.DRAWS)
    apart = done_apart(cast(Model, model.config), cast(tuple[Regularizer, ...], regularizer.configs))
    return counted_workers(workers, settings.protocol, apart)


class Cell(NamedTuple):
    """A combination of levels, and what holds for it. Its trials differ in their seeds alone."""

    data: LocatedData
    model: Level
    optimizer: Level
    regularizer: Level
    deployment: Level
    settings: Settings
    skip: str | None
    """Why it cannot run, or None."""
    measurement: Measurement | None = None
    """What its trials find out about the nets of the cell without it; None where they train, or make something."""
    is_update: bool = False
    """Whether its nets are those of another cell along a stream, trained again on the blocks that have come."""

    @property
    def protocol(self) -> Protocol:
        return self.settings.protocol

    @property
    def purpose(self) -> Literal["evaluation", "measurement", "update"]:
        """What most of its trials are for; those that tune it, or confirm it, are for that."""
        if self.measurement is not None:
            return MEASUREMENT
        return UPDATE if self.is_update else EVALUATION

    @property
    def is_variant(self) -> bool:
        """Whether its trials make something of nets that those of another cell train."""
        return deploys(self.deployment)

    @property
    def has_parent(self) -> bool:
        """Whether its trials wait for those of another cell: to make something of their nets, or to measure these."""
        return self.is_variant or self.measurement is not None

    @property
    def tuning(self) -> TuningSpec | None:
        """How it is tuned; what waits for a parent has what that was tuned to."""
        return None if self.has_parent else self.settings.tuning

    @property
    def resources(self) -> Resources:
        return self.settings.resources

    @property
    def dataset(self) -> Level:
        return self.data.level

    @property
    def label(self) -> str:
        """Join the labels of its levels, for display."""
        trained = f"{self.dataset.label} {self.model.label} {self.optimizer.label} {self.regularizer.label}"
        made = f"{trained} {self.deployment.label}" if self.is_variant else trained
        return self._for_what(made)

    def label_on(self, axes: Collection[str]) -> str:
        """The same of some axes alone, such as those on which a sweep's cells differ; of the model where none is named."""
        levels = {
            "dataset": self.dataset,
            "model": self.model,
            "optimizer": self.optimizer,
            "regularizer": self.regularizer,
            "deployment": self.deployment,
        }
        return self._for_what(
            " ".join(level.label for axis, level in levels.items() if axis in axes) or self.model.label
        )

    def _for_what(self, label: str) -> str:
        """The label of its levels with what its trials are for, where that is not to be compared."""
        told = f"{label} {UPDATE}" if self.is_update else label
        return told if self.measurement is None else f"{told} {label_of(self.measurement)}"

    @property
    def shape(self) -> Shape:
        """What one of its trials needs of a slot. Variants and measurements are one worker's."""
        if self.has_parent:
            return Shape(1, self.resources.cpus, self.resources.gpus)
        return Shape(self.resources.workers, self.resources.cpus, self.resources.gpus)

    @property
    def fusion_key(self) -> bytes | None:
        """Equal for the trials that fit into one stack with its own; None where they run alone."""
        if self.protocol.fuse == 1 or self.has_parent:
            return None
        return fusion_key(self.data.digest, self.model.digest, self.protocol)

    @property
    def keeps_predictions(self) -> bool:
        """Whether its trials leave what they say of each test example."""
        data = self.data
        keeps = data.task is not None and data.info is not None and data.task.keeps_answers(data.info)
        return keeps and self.protocol.keep_predictions and self.measurement is None

    @property
    def identity(self) -> bytes:
        """8 bytes; in hex, the cell's id. Raises DataMissing where the data is not there."""
        levels = self.model, self.optimizer, self.regularizer, self.deployment
        made = identity_of(self.data.digest, *levels, self.settings)
        return made if self.measurement is None else measurement_identity(made, self.measurement.digest())

    @property
    def parent_cell_id(self) -> str:
        """Of the cell that trains the nets that a variant's are made of or a measurement is about."""
        return self._trained.hex()

    def parent_id(self, seed: int) -> str:
        """The trial whose net the one with this seed is made of or about."""
        return trial_identity(self._trained, seed)

    @property
    def _trained(self) -> bytes:
        return trained_identity(self.data.digest, self.model, self.optimizer, self.regularizer, self.settings)

    @property
    def cell_id(self) -> str:
        """Equal to `spec(seed).cell_id` where nothing is tuned."""
        return self.identity.hex()

    def trial_id(self, seed: int) -> str:
        """Equal to `spec(seed).trial_id` where nothing is tuned."""
        return trial_identity(self.identity, seed)

    def trial_ids(self, seeds: Sequence[int]) -> Iterator[str]:
        """Return the trial id of each seed."""
        identity = self.identity
        return (trial_identity(identity, seed) for seed in seeds)

    # how it is tuned: once, in repetitions, or within each fold that one of its seeds tests on

    @property
    def tunes_in_folds(self) -> bool:
        """Whether each fold has a tuning of its own, which never sees what that fold tests on."""
        return self.tuning is not None and self.data.dataset.folds is not None

    def tunings(self, seeds: Sequence[int]) -> Sequence[int]:
        """The numbers of its tunings: of repetitions from 0, in folds the seeds that pick each fold. None where none is."""
        if self.tuning is None:
            return ()
        if not self.tunes_in_folds:
            return range(self.tuning.repetitions)
        return seeds if self.settings.variation is None else list(dict.fromkeys(map(self.tuning_of, seeds)))

    def tuning_of(self, seed: int) -> int:
        """The number of the tuning with whose choice a seed runs."""
        assert self.tuning is not None
        return split_seed(seed, self.settings.variation) if self.tunes_in_folds else self.tuning.repetition_of(seed)

    def tuning_total(self, seeds: Sequence[int]) -> int:
        """How many trials tune it."""
        return 0 if self.tuning is None else self.tuning.count * len(self.tunings(seeds))

    def tuning_ids(self, seeds: Sequence[int]) -> Iterator[str]:
        """The ids of its tuning trials, tuning after tuning: they have no seed of their own but a number."""
        if self.tuning is None:
            return
        identity, count = self.identity, self.tuning.count
        for tuning in self.tunings(seeds):
            for number in range(count):
                if self.tunes_in_folds:
                    yield tuning_identity(identity, number, held_out=tuning)
                else:
                    yield tuning_identity(identity, tuning * count + number)

    def spec(self, seed: int, *, tunes: int | None = None) -> TrialSpec:
        """Return what a worker is handed. Raises DataMissing where the data is not there.

        tunes: the number of the tuning that it is a trial of; the seed is then none of the cell's, and decides everything
        but the fold.
        """
        assert self.data.digest and self.data.fingerprint is not None
        return TrialSpec(
            dataset=self.data.dataset,
            model=cast(Model, self.model.config),
            optimizer=cast(Optimizer, self.optimizer.config),
            regularizers=cast(tuple[Regularizer, ...], self.regularizer.configs),
            protocol=self.protocol,
            seed=seed,
            fingerprint=self.data.fingerprint,
            workers=self.resources.workers,
            variation=None if tunes is not None else self.settings.variation,
            held_out=tunes if self.tunes_in_folds else None,
            deployment=cast(Deployment, self.deployment.config) if self.is_variant else None,
        )
