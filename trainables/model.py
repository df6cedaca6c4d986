"""What a model is: sizes as parameters, a reason where it cannot work, and a module."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from trainables.component import Component
from trainables.dataset import DataInfo, DataPlace, Input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from trainables.context import Context
    from trainables.learner import Learner, LearnerParts
    from trainables.preparation import Prepared
    from trainables.protocol import Protocol
    from trainables.regularizer import Regularizer, TrainingFacts


class Model(Component):
    """A level of the `model` axis."""

    kind: ClassVar[str] = "model"
    inputs: ClassVar[frozenset[Input]] = frozenset({"image"})
    """The kinds of example it reads."""
    has_dropout: ClassVar[bool] = True
    """Whether `build` places `layers.DropoutSite` modules, which the `dropout` regularizer switches on."""

    @property
    def has_stochastic_depth(self) -> bool:
        """Whether `build` places `layers.StochasticDepthSite` modules, which `stochastic_depth` switches on."""
        return False

    def supports(self, data: DataInfo) -> str | None:
        """None, or the reason why this model cannot work on this data (it becomes the reason of a skipped row)."""
        if data.input not in self.inputs:
            return f"{self.name} reads {' or '.join(sorted(self.inputs))} inputs, {data.name} has {data.input} inputs"
        return None

    def supports_protocol(self, protocol: Protocol) -> str | None:
        """None, or the reason why it cannot follow this protocol (the reason of a skipped row)."""
        if protocol.accumulate > 1 and type(self).learner is not Model.learner:
            return f"{self.name} learns a batch in a way of its own, which cannot be cut in parts; leave accumulate out"
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

    def shortened(
        self,
        module: nn.Module,
        data: Prepared,
        regularizers: Sequence[Regularizer],
        protocol: Protocol,
        context: Context,
    ) -> Prepared:
        """The data as the module is to read it: once computed what it would make of a picture again and again, say."""
        return data

    def located(self, place: DataPlace) -> Self:
        """This model with the files that it reads found, checked and identified. Raises WeightsError."""
        return self

    def missing(self, place: DataPlace) -> str | None:
        """What `fetch` would download, in words; None where nothing is missing."""
        return None

    def fetch(self, place: DataPlace) -> None:
        """Download what is missing. Raises WeightsError when it stays missing."""

    def learner(self, parts: LearnerParts) -> Learner:
        """How one batch is learnt. Overridden by models with a training step of their own (a GAN, say)."""
        from trainables.learner import SupervisedLearner

        return SupervisedLearner(parts)
