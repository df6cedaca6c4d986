"""Adagrad (Duchi et al. 2011, eq. 1, with the diagonal of the outer products)."""

from typing import ClassVar

from trainables.component import NonNegative, Positive
from trainables.optimizers._torch import TorchOptimizer


class Adagrad(TorchOptimizer):
    """torch.optim.Adagrad: a step is divided by the root of all squared gradients so far."""

    name: ClassVar[str] = "adagrad"
    torch_name: ClassVar[str] = "Adagrad"

    lr: Positive = 1e-2
    """Learning rate."""
    lr_decay: NonNegative = 0.0
    """The learning rate of step t is divided by 1 + (t - 1) times this."""
    weight_decay: NonNegative = 0.0
    """Times each parameter is added to its gradient."""
    initial_accumulator_value: NonNegative = 0.0
    """What the sum of squared gradients begins with."""
    eps: Positive = 1e-10
    """Added to what gradients are divided by, so that it is never 0."""
