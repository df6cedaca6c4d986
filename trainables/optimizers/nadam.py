"""NAdam: Adam with Nesterov's momentum (Dozat 2016, algorithm 2)."""

from typing import ClassVar

from trainables.component import NonNegative, Positive, Probability
from trainables.optimizers._torch import TorchOptimizer


class NAdam(TorchOptimizer):
    """torch.optim.NAdam: Adam that looks ahead along its momentum."""

    name: ClassVar[str] = "nadam"
    torch_name: ClassVar[str] = "NAdam"

    lr: Positive = 2e-3
    """Learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the running means of gradients and of their squares."""
    eps: Positive = 1e-8
    """Added to what gradients are divided by, so that it is never 0."""
    weight_decay: NonNegative = 0.0
    """Times each parameter is added to its gradient, or taken off apart from it (decoupled_weight_decay)."""
    momentum_decay: NonNegative = 4e-3
    """How fast the momentum grows to its full size."""
    decoupled_weight_decay: bool = False
    """Weight decay apart from the gradient, as in AdamW."""
