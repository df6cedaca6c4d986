"""Adamax: Adam by the greatest gradient in place of the mean square (Kingma and Ba 2015, algorithm 2)."""

from typing import ClassVar

from trainables.component import NonNegative, Positive, Probability
from trainables.optimizers._torch import TorchOptimizer


class Adamax(TorchOptimizer):
    """torch.optim.Adamax: Adam under the infinity norm."""

    name: ClassVar[str] = "adamax"
    torch_name: ClassVar[str] = "Adamax"

    lr: Positive = 2e-3
    """Learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the running mean of gradients and of the greatest one."""
    eps: Positive = 1e-8
    """Added to what gradients are divided by, so that it is never 0."""
    weight_decay: NonNegative = 0.0
    """Times each parameter is added to its gradient."""
