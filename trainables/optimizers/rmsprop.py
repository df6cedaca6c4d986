"""RMSprop (Tieleman and Hinton 2012, lecture 6.5 of "Neural Networks for Machine Learning")."""

from typing import Annotated, ClassVar

from trainables.component import AddedLater, NonNegative, Positive, Probability
from trainables.optimizers._torch import TorchOptimizer


class RmsProp(TorchOptimizer):
    """torch.optim.RMSprop over lists of tensors at once; torch has no fused one."""

    name: ClassVar[str] = "rmsprop"
    torch_name: ClassVar[str] = "RMSprop"

    lr: Positive = 1e-3
    """Learning rate."""
    alpha: Probability = 0.99
    """Decay of the running mean of squared gradients."""
    momentum: Probability = 0.0
    """Share of the previous steps that a step keeps; 0 keeps none."""
    eps: Positive = 1e-8
    """Added to what gradients are divided by, so that it is never 0."""
    weight_decay: Annotated[NonNegative, AddedLater(keeps=0.0)] = 0.0
    """Times each parameter is added to its gradient."""
    centered: Annotated[bool, AddedLater(keeps=False)] = False
    """Divide by the running variance of the gradients (Graves 2013, eq. 38-45)."""
