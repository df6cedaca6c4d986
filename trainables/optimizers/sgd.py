"""Stochastic gradient descent with momentum (Polyak 1964; Nesterov 1983, as in Sutskever et al. 2013)."""

from types import MappingProxyType
from typing import Annotated, ClassVar

from pydantic import model_validator

from trainables.component import AddedLater, NonNegative, Positive, Probability
from trainables.optimizers._torch import TorchOptimizer


class Sgd(TorchOptimizer):
    """torch.optim.SGD, fused: one kernel over all parameters."""

    name: ClassVar[str] = "sgd"
    torch_name: ClassVar[str] = "SGD"
    implementation = MappingProxyType({"fused": True})

    lr: Positive = 0.1
    """Learning rate."""
    momentum: Probability = 0.0
    """Share of the previous steps that a step keeps; 0 keeps none."""
    nesterov: bool = False
    """Look ahead along the momentum."""
    dampening: Annotated[Probability, AddedLater(keeps=0.0)] = 0.0
    """Share of the gradient that is kept out of the momentum."""
    weight_decay: Annotated[NonNegative, AddedLater(keeps=0.0)] = 0.0
    """Times each parameter, biases too, is added to its gradient; the regularizer weight_decay leaves biases alone."""

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, such as 0.9")
        if self.nesterov and self.dampening > 0:
            raise ValueError("nesterov needs a dampening of 0")
        return self
