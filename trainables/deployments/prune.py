"""Magnitude pruning: the smallest weights become 0 and stay so while the net is trained on (Han et al. 2015, NeurIPS), or
whole channels are taken out (Li et al. 2017, ICLR).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainables.interfaces import Deployment

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainables.stages.parent import ParentNet
    from trainables.stages.variant import Variant
    from trainables.training.learner import Learner


class Prune(Deployment):
    """Sets the weights of least magnitude to 0: the file is smaller once it is packed, and nothing is any quicker. Or, with
    `structure: channels`, makes a smaller net, which is.

    Weights are those of layers that multiply; biases and the parameters of normalisation stay.
    """

    name: ClassVar[str] = "prune"

    amount: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the weights that become 0, or of the channels of each layer that are taken out."""
    structure: Literal["none", "channels"] = "none"
    """What is taken out: single weights, or whole channels and units of plain chains of layers (cnn, mlp)."""
    scope: Literal["global", "layer"] = "global"
    """Whether the smallest of the whole net are taken, or those of each layer. Channels are those of each layer."""
    epochs: Annotated[int, Field(ge=0, le=100_000)] = 1
    """Epochs for which the rest is trained on, by the parent's optimizer and regularizers."""

    @property
    def trains(self) -> int:
        return self.epochs

    def make(self, parent: ParentNet) -> Variant:
        from trainables.stages.artifact import as_safetensors
        from trainables.stages.variant import UNTRAINED, Variant

        learner = self._thinned(parent) if self.structure == "channels" else self._masked(parent)
        training = parent.fine_tune(learner, self.epochs) if self.epochs else UNTRAINED
        module = learner.module.eval()
        return Variant(module, as_safetensors(module.state_dict()), training=training, counted=module)

    def restored(self, parent: ParentNet, shipped: Mapping[str, Tensor]) -> nn.Module:
        module = parent.copied()
        if self.structure == "channels":
            from trainables.deployments._channels import without_channels

            module = without_channels(module, self.amount)
        return parent.with_weights(module, shipped)

    def _masked(self, parent: ParentNet) -> Learner:
        from trainables.deployments._masks import MaskedLearner, smallest

        learner = parent.learner()
        return MaskedLearner(learner, smallest(learner.module, self.amount, whole=self.scope == "global"))

    def _thinned(self, parent: ParentNet) -> Learner:
        from trainables.deployments._channels import without_channels

        return parent.learner_of(parent.laid_out(without_channels(parent.copied(), self.amount)))
