"""Adam for sparse gradients (Kingma and Ba 2015), each of whose steps updates the rows that took part."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import ClassVar

from trainables.component import Positive, Probability
from trainables.dataset import DataInfo
from trainables.interfaces import Model, Regularizer
from trainables.optimizers._torch import TorchOptimizer


class SparseAdam(TorchOptimizer):
    """torch.optim.SparseAdam, which takes sparse gradients alone: no model of images has any, so its cells are skipped."""

    name: ClassVar[str] = "sparse_adam"
    elementwise: ClassVar[bool] = False
    torch_name: ClassVar[str] = "SparseAdam"
    implementation = MappingProxyType({})

    lr: Positive = 1e-3
    """Learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the running means of gradients and of their squares."""
    eps: Positive = 1e-8
    """Added to what gradients are divided by, so that it is never 0."""

    def unsupported_reason(self, data: DataInfo, model: Model, regularizers: Sequence[Regularizer]) -> str | None:
        return f"sparse_adam takes only sparse gradients, but those of {model.name} are dense; use adam"
