"""Adadelta (Zeiler 2012, algorithm 1)."""

from typing import ClassVar

from trainables.component import NonNegative, Positive, Probability
from trainables.optimizers._torch import TorchOptimizer


class Adadelta(TorchOptimizer):
    """torch.optim.Adadelta: steps scaled by the running size of those before."""

    name: ClassVar[str] = "adadelta"
    torch_name: ClassVar[str] = "Adadelta"

    lr: Positive = 1.0
    """Learning rate; the paper has none, which is 1."""
    rho: Probability = 0.9
    """Decay of the running means of squared gradients and of squared steps."""
    eps: Positive = 1e-6
    """Under the roots; the first steps are about its root long."""
    weight_decay: NonNegative = 0.0
    """Times each parameter is added to its gradient."""
