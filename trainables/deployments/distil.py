"""A smaller net that learns what the trained one says (Hinton et al. 2015, arXiv:1503.02531)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from trainables.component import Positive
from trainables.dataset import DataInfo
from trainables.interfaces import Deployment, Model
from trainables.registry import NESTED_SCHEMA, NESTED_SERIALIZER, nested

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainables.stages.parent import ParentNet
    from trainables.stages.variant import Variant


class Distil(Deployment):
    """Trains another model on the trained one's probabilities beside the labels, as long as that was trained.

    The same student without a teacher (`alpha: 0`) is planned with it: that is what it has to be better than.
    """

    name: ClassVar[str] = "distil"
    rival: ClassVar[Mapping[str, Any]] = {"alpha": 0.0, "temperature": 4.0}

    student: Annotated[Model, PlainValidator(partial(nested, "model")), NESTED_SERIALIZER, NESTED_SCHEMA]
    """The model that learns."""
    temperature: Positive = 4.0
    """What both nets' outputs are divided by before they are compared: the greater, the more the unlikely classes count."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Share of the teacher in the loss; the labels have the rest."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """As many as the parent's protocol has where not given."""

    @property
    def trains(self) -> int:
        return self.epochs or 1

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        if not data.classes:
            return f"distil needs classes, {data.name} has the task {data.task}"
        if self.student.has_own_learner or self.student.caches_features:
            return f"{self.student.name} learns in a way of its own, and not from a teacher"
        return self.student.unsupported_reason(data)

    def make(self, parent: ParentNet) -> Variant:
        from trainables.deployments._distilling import DistillingLearner
        from trainables.stages.artifact import as_safetensors
        from trainables.stages.variant import Variant

        distilling = partial(DistillingLearner, teacher=parent.module, temperature=self.temperature, alpha=self.alpha)
        learner = parent.learner_of(parent.built(self.student), self.student, distilling)
        training = parent.fine_tune(learner, self.epochs or parent.spec.protocol.epochs)
        module = learner.module.eval()
        return Variant(module, as_safetensors(module.state_dict()), training=training, counted=module)

    def restored(self, parent: ParentNet, shipped: Mapping[str, Tensor]) -> nn.Module:
        return parent.with_weights(parent.built(self.student), shipped)
