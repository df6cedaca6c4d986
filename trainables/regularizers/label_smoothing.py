"""Label smoothing (Szegedy et al. 2016, "Rethinking the Inception Architecture", sec. 7)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from trainables.component import Probability
from trainables.dataset import DataInfo
from trainables.model import Model
from trainables.regularizer import Loss, Regularizer, TrainingFacts


class LabelSmoothing(Regularizer):
    """Spreads a share of each target evenly over all classes."""

    name: ClassVar[str] = "label_smoothing"

    value: Probability = 0.1
    """The share that is spread."""

    def supports(self, data: DataInfo, model: Model) -> str | None:
        return None if data.classes else f"label_smoothing needs classes, {data.name} has the task {data.task}"

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        def smoothed(outputs: Tensor, targets: Tensor) -> Tensor:
            classes = outputs.shape[1]
            sharp = targets if targets.is_floating_point() else F.one_hot(targets, classes)
            return loss(outputs, sharp.to(outputs.dtype) * (1 - self.value) + self.value / classes)

        return smoothed
