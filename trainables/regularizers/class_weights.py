"""A loss in which rare classes weigh more (Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainables.dataset import DataInfo
from trainables.interfaces import Loss, Model, Regularizer, TrainingFacts

if TYPE_CHECKING:
    from torch import Tensor


class ClassWeights(Regularizer):
    """Weighs each class in the training loss by how rare it is in the training split.

    The weights are scaled so that the mean over the training split is 1, which keeps the learning rate's meaning; in
    the paper they add up to the number of classes. Classes without a training example weigh nothing.
    """

    name: ClassVar[str] = "class_weights"

    beta: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Weights are 1 over the effective number (1 - beta^n) / (1 - beta) of n examples; null: over n itself."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_classes(data)

    def weights(self, class_counts: Sequence[int]) -> list[float]:
        """One for each class. class_counts: examples of each in the training split."""
        raw = [1 / self._effective(count) if count else 0.0 for count in class_counts]
        mean = sum(count * weight for count, weight in zip(class_counts, raw, strict=True)) / sum(class_counts)
        return [weight / mean for weight in raw]

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        import torch

        from trainables.data.batches import soft_beside

        weights = torch.tensor(self.weights(facts.class_counts), dtype=torch.float64)

        def weighed(outputs: Tensor, targets: Tensor) -> Tensor:
            nonlocal weights
            weights = weights.to(outputs)  # moved once: afterwards it is there
            return loss(outputs, soft_beside(outputs, targets) * weights)

        return weighed

    def _effective(self, count: int) -> float:
        return count if self.beta is None else (1 - self.beta**count) / (1 - self.beta)
