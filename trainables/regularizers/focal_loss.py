"""The focal loss (Lin et al. 2017, "Focal Loss for Dense Object Detection", sec. 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.component import NonNegative
from trainables.dataset import DataInfo
from trainables.interfaces import Loss, Model, Regularizer, TrainingFacts

if TYPE_CHECKING:
    from torch import Tensor


class FocalLoss(Regularizer):
    """Makes examples that are already right count less in the training loss: -(1 - p)^gamma log p.

    p is the predicted probability of the label. Where targets are probabilities (`mixup`, `label_smoothing`), each
    class's term has its own p and counts by its target. The paper's alpha is `class_weights`.
    """

    name: ClassVar[str] = "focal_loss"

    gamma: NonNegative = 2.0
    """0 is the plain cross-entropy."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_classes(data)

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        import torch
        import torch.nn.functional as F

        from trainables.data.batches import soft_beside

        def focal(outputs: Tensor, targets: Tensor) -> Tensor:
            missing = -torch.expm1(F.log_softmax(outputs, dim=1))  # 1 - p, exact where p is near 1
            # of nothing, a power below 1 has no gradient
            factor = missing.clamp(min=torch.finfo(outputs.dtype).eps) ** self.gamma
            return loss(outputs, soft_beside(outputs, targets) * factor)

        return focal
