"""RAdam: Adam whose step waits for the variance of its second moment (Liu et al. 2020, algorithm 2)."""

from typing import ClassVar

from trainables.component import NonNegative, Positive, Probability
from trainables.optimizers._torch import TorchOptimizer


class RAdam(TorchOptimizer):
    """torch.optim.RAdam: Adam with a warm-up of its own."""

    name: ClassVar[str] = "radam"
    torch_name: ClassVar[str] = "RAdam"

    lr: Positive = 1e-3
    """Learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the running means of gradients and of their squares."""
    eps: Positive = 1e-8
    """Added to what gradients are divided by, so that it is never 0."""
    weight_decay: NonNegative = 0.0
    """Times each parameter is added to its gradient, or taken off apart from it (decoupled_weight_decay)."""
    decoupled_weight_decay: bool = False
    """Weight decay apart from the gradient, as in AdamW."""
