"""Label smoothing (Szegedy et al. 2016, "Rethinking the Inception Architecture", sec. 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.component import Probability
from trainables.dataset import DataInfo
from trainables.interfaces import Loss, Model, Regularizer, TrainingFacts

if TYPE_CHECKING:
    from torch import Tensor


class LabelSmoothing(Regularizer):
    """Spreads a share of each target evenly over all classes."""

    name: ClassVar[str] = "label_smoothing"
    changes_targets: ClassVar[bool] = True

    value: Probability = 0.1
    """The share that is spread."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_classes(data)

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        from trainables.data.batches import soft_beside

        def smoothed(outputs: Tensor, targets: Tensor) -> Tensor:
            return loss(outputs, soft_beside(outputs, targets) * (1 - self.value) + self.value / outputs.shape[1])

        return smoothed
