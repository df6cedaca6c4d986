"""AdamW: Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019, algorithm 2)."""

from types import MappingProxyType
from typing import Annotated, ClassVar

from trainables.component import AddedLater, NonNegative, Positive, Probability
from trainables.optimizers._torch import TorchOptimizer


class AdamW(TorchOptimizer):
    """torch.optim.AdamW, fused: one kernel over all parameters."""

    name: ClassVar[str] = "adamw"
    torch_name: ClassVar[str] = "AdamW"
    implementation = MappingProxyType({"fused": True})

    lr: Positive = 1e-3
    """Learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the running means of gradients and of their squares."""
    eps: Positive = 1e-8
    """Added to what gradients are divided by, so that it is never 0."""
    weight_decay: NonNegative = 0.01
    """Share of each parameter taken off at every step, times the learning rate."""
    amsgrad: Annotated[bool, AddedLater(keeps=False)] = False
    """Divide by the greatest running mean so far (Reddi et al. 2018)."""
