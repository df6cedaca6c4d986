"""Adam (Kingma and Ba 2015, algorithm 1)."""

from types import MappingProxyType
from typing import Annotated, ClassVar

from trainables.component import AddedLater, NonNegative, Positive, Probability
from trainables.optimizers._torch import TorchOptimizer


class Adam(TorchOptimizer):
    """torch.optim.Adam, fused: one kernel over all parameters."""

    name: ClassVar[str] = "adam"
    torch_name: ClassVar[str] = "Adam"
    implementation = MappingProxyType({"fused": True})

    lr: Positive = 1e-3
    """Learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the running means of gradients and of their squares."""
    eps: Positive = 1e-8
    """Added to what gradients are divided by, so that it is never 0."""
    weight_decay: Annotated[NonNegative, AddedLater(keeps=0.0)] = 0.0
    """Times each parameter is added to its gradient; adamw keeps it apart from the gradient."""
    amsgrad: Annotated[bool, AddedLater(keeps=False)] = False
    """Divide by the greatest running mean so far (Reddi et al. 2018)."""
