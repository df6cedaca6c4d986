"""What a model, an optimizer, a regularizer, a deployment and a measurement are: parameters, a reason where they cannot
work, and what they do.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from trainables.columns import Headlines
from trainables.component import Component, PerWorker
from trainables.context import Context
from trainables.dataset import DataInfo, DataLocation, Examples, ImageArray, Input
from trainables.records import Breakdown, EpochRow

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from trainables.protocol import Protocol


Place = tuple[slice | int, ...]
"""Some of the numbers of each input of a batch, as an index into (batch, *shape)."""


class Model(Component):
    """A level of the `model` axis.

    One with a training step of its own (a GAN, say) also has `learner`, as `training.learner.OwnLearner` says, and one
    that need not read its images again and again `cache_features`, as `training.prepare.CachesFeatures` says.
    """

    role: ClassVar[str] = "model"
    inputs: ClassVar[frozenset[Input]] = frozenset({"image"})
    """The kinds of example it reads."""
    has_dropout: ClassVar[bool] = True
    """Whether `build` places `models._layers.DropoutSite` modules, which the `dropout` regularizer switches on."""

    stacks: ClassVar[bool] = False
    """Whether its nets are made of layers of which several can pass at once (`trainables.fusion`): of torch's own that are
    known there, and of modules that say how (`fusion.stack.Stackable`)."""

    @property
    def has_stochastic_depth(self) -> bool:
        """Whether `build` places `models._layers.StochasticDepthSite` modules, which `stochastic_depth` switches on."""
        return False

    @property
    def per_worker(self) -> PerWorker:
        """What its workers do apart while it trains. A model that does not say may hold batch norm anywhere."""
        return PerWorker.STATISTICS | (PerWorker.DRAWS if self.has_own_learner else PerWorker.NOTHING)

    @property
    def has_own_learner(self) -> bool:
        """Whether it has a training step of its own."""
        return self._has_method("learner")

    @property
    def caches_features(self) -> bool:
        """Whether it reads less than the images, once it has read each of them."""
        return self._has_method("cache_features")

    def _has_method(self, name: str) -> bool:
        """A parameter may happen to have that name."""
        return callable(getattr(type(self), name, None))

    def unsupported_reason(self, data: DataInfo) -> str | None:
        """Return None, or the reason why this model cannot work on this data (it becomes the reason of a skipped row)."""
        if data.input not in self.inputs:
            return (
                f"{self.name} reads {' or '.join(sorted(self.inputs))} inputs, but {data.name} has {data.input} inputs"
            )
        return None

    def unsupported_protocol_reason(self, protocol: Protocol) -> str | None:
        """Return None, or the reason why it cannot follow this protocol (the reason of a skipped row)."""
        if protocol.accumulate > 1 and self.has_own_learner:
            return f"{self.name} has a training step of its own, which cannot be split into parts; leave accumulate out"
        if protocol.sync_batch_norm and self.has_own_learner:
            return f"{self.name} has a training step of its own, which shares no statistics; leave sync_batch_norm out"
        return None

    @abstractmethod
    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        """A module from float32 (batch, *data.shape) to (batch, outputs) logits or numbers, freshly initialised.

        Draws from torch's global generator only, which the caller has seeded.
        """

    def prepare(self, module: nn.Module, facts: TrainingFacts) -> None:
        """Give the freshly built module what it learns from, beside the data: weights of a file, say.

        Raises WeightsError.
        """

    def kept_state(self, module: nn.Module) -> dict[str, Tensor]:
        """What of a trained module's state has to be kept, for `prepare` to find the rest again."""
        return dict(module.state_dict())

    def located(self, location: DataLocation) -> Self:
        """This model with the files that it reads found, checked and identified. Raises WeightsError."""
        return self

    def sequence_ends(self, data: DataInfo) -> tuple[Place, Place] | None:
        """Where the first and the last step stand in a batch of inputs, of a model that reads them step by step."""
        return None

    def missing(self, location: DataLocation) -> str | None:
        """Return what `fetch` would download, in words; None where nothing is missing."""
        return None

    def fetch(self, location: DataLocation) -> None:
        """Download what is missing. Raises WeightsError when it stays missing."""


# What an optimizer is: hyper-parameters, and a torch optimizer over parameter groups.

State = dict[str, Any]
"""What torch calls a state dict: names to tensors, numbers, text, None, and lists and dicts of these."""
ParameterGroup = dict[str, Any]
"""A torch parameter group: `params` and the options that differ in it. torch's own type, passed on as it is."""


class Optimizer(Component):
    """A level of the `optimizer` axis."""

    role: ClassVar[str] = "optimizer"
    elementwise: ClassVar[bool] = False
    """Whether a step changes each number by its own gradients alone, wherever else it stands in its tensor."""
    reevaluates: ClassVar[bool] = False
    """Whether its `step` takes a closure and evaluates the loss of the batch as often as it likes (L-BFGS)."""

    def unsupported_reason(self, data: DataInfo, model: Model, regularizers: Sequence[Regularizer]) -> str | None:
        """None, or the reason why it cannot train this model with these regularizers (the reason of a skipped row)."""
        return None

    def unsupported_protocol_reason(self, protocol: Protocol) -> str | None:
        """Return None, or the reason why it cannot follow this protocol (the reason of a skipped row)."""
        return None

    @abstractmethod
    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        """The torch optimizer over these groups."""


# What a regularizer is: a configuration that acts on the model, the batch, the loss, the parameters or the stopping.

Loss = Callable[["Tensor", "Tensor"], "Tensor"]
"""(outputs, targets) to the mean loss of a batch, a scalar."""


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What may be known of the training split before training."""

    class_counts: tuple[int, ...]
    """Examples of each class, in label order; empty where the task has no classes."""
    mean: tuple[float, ...] = ()
    """Of each channel: inputs are (pixels - mean) / std, of pixels in 0..1. Empty where they are the pixels."""
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """Examples that a regularizer made of the training split."""

    examples: Examples
    """In the types and the shape of those they were made from."""
    image: ImageArray | None = None
    """What they look like, for display."""


class Regularizer(Component):
    """A level of the `regularizer` axis, or one of several in a level."""

    role: ClassVar[str] = "regularizer"
    mixes_classes: ClassVar[bool] = False
    """Whether `on_batch` makes examples of several classes: all `on_batch` of the trial then see probabilities."""
    changes_targets: ClassVar[bool] = False
    """Whether `on_loss` changes what the targets are. It then acts before those that weigh classes or examples,
    wherever the grid lists it: smoothed targets can be weighed, weighed ones no longer be smoothed."""

    @property
    def per_worker(self) -> PerWorker:
        """What workers do apart under it. What changes batches, or layers, is taken to draw or to mix, however little."""
        acts = (type(self).on_batch, type(self).on_model)
        apart = acts != (Regularizer.on_batch, Regularizer.on_model)
        return PerWorker.DRAWS if apart else PerWorker.NOTHING

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        """Return None, or the reason why it cannot work on this data with this model (the reason of a skipped row)."""
        return None

    def needs_classes(self, data: DataInfo) -> str | None:
        """The answer of `unsupported_reason` for one that works on the probabilities of classes."""
        return None if data.classes else f"{self.name} needs classes, but {data.name} has the task {data.task}"

    def more_examples(self, train: Examples, data: DataInfo, seed: int, context: Context) -> Generated | None:
        """Examples that join the training split, made before training.

        train: the training split as it is stored (not standardised), and nothing else of the data: what validation and
        test hold cannot reach what is made. seed: this regularizer's own, the same on every rank; all ranks are called, and
        the first one's examples count. Call `context.check` in long loops. Time spent here is in `generation_seconds`.
        """
        return None

    def on_model(self, module: nn.Module) -> None:
        """Change the freshly built module in place."""

    def on_parameter_groups(self, groups: list[ParameterGroup]) -> list[ParameterGroup]:
        """Split groups or set their options, before the optimizer is built."""
        return groups

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        """Wrap the training loss; validation and test always use the plain one.

        Where the task has classes, its loss is linear in targets that are probabilities (batch, classes) and need not add
        up to 1. A loss that weighs them and hands them on goes together with any other that does.
        """
        return loss

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Change a training batch.

        inputs: (batch, *DataInfo.shape), uint8 in 0..255 or float32 in 0..1, not yet standardised; either may be
        returned. targets: as in Examples, or float32 probabilities (batch, classes) where one of the trial's regularizers
        `mixes_classes`. generator: the trial's augmentation stream, on the device of `inputs`; draw from nothing else.
        """
        return inputs, targets

    def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Change gradients in place, after backward and before the optimizer's step."""

    def on_step(self, groups: Sequence[ParameterGroup]) -> None:
        """Change parameters in place, right before the optimizer's step; every rank does the same.

        groups: the optimizer's own, each with its `params` and its `lr` as the schedule has it at this step.
        """

    def should_stop(self, history: Sequence[EpochRow]) -> bool:
        """Whether training ends after the newest epoch."""
        return False


def unit(inputs: Tensor) -> Tensor:
    """Return what `on_batch` is given as floats in 0..1: bytes over 255, floats as they are."""

    import torch

    return inputs / 255 if inputs.dtype == torch.uint8 else inputs


# What a deployment is: a configuration that makes another net of one that a trial has trained.


class Deployment(Component):
    """A level of the `deployment` axis. Each also has `make`, as `stages.variant.MakesVariant` says it."""

    role: ClassVar[str] = "deployment"

    rival: ClassVar[Mapping[str, Any]] = {}
    """Parameters of the level that it has to be compared with, which is planned beside it; empty where there is none."""

    @property
    def exports(self) -> bool:
        """Whether it has torch write the net down, for which torch changes itself once in a process."""
        return False

    @property
    def trains(self) -> int:
        """Epochs that it goes on training; 0 where it does not."""
        return 0

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        """Return None, or the reason why it can make nothing of this model (the reason of a skipped row)."""
        return None


# What a measurement is: a configuration of what is found out about a net that a trial has trained, which stays as it is.


class Measurement(Component):
    """An entry of the section `measure`. Each also has `measure`, as `stages.measurement.Measures` says it."""

    role: ClassVar[str] = "measurement"
    tables: ClassVar[type[Breakdown]]
    """The results tables that it adds rows to: fields of a subclass, each a table of its name."""
    headlines: ClassVar[type[Headlines]] = Headlines
    """Its figures that stand in the row of the measured trial too."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        """Return None, or the reason why it can find nothing out here (the reason of a skipped row)."""
        return None

    def lacking_column(self, columns: Callable[[], Sequence[str]]) -> str | None:
        """Return None, or in words which column it reads that is not among those of the data's files."""
        return None

    def needs_images(self, data: DataInfo) -> str | None:
        """The answer of `unsupported_reason` for one that shows a classifier other images."""
        if data.input != "image":
            return f"{self.name} changes images, but {data.name} has {data.input} inputs"
        return None if data.classes else f"{self.name} needs classes, but {data.name} has the task {data.task}"
