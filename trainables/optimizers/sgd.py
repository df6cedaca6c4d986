"""Stochastic gradient descent with momentum (Polyak 1964; Nesterov 1983, as in Sutskever et al. 2013)."""

from typing import ClassVar

import torch
from pydantic import model_validator

from trainables.component import Positive, Probability
from trainables.optimizer import Optimizer, ParameterGroup


class Sgd(Optimizer):
    """torch.optim.SGD, fused: one kernel over all parameters."""

    name: ClassVar[str] = "sgd"

    lr: Positive = 0.1
    """Learning rate."""
    momentum: Probability = 0.0
    nesterov: bool = False
    """Look ahead along the momentum."""

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, such as 0.9")
        return self

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, fused=True)
