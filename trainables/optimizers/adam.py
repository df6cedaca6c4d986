"""Adam (Kingma and Ba 2015, algorithm 1)."""

from typing import ClassVar

import torch

from trainables.component import Positive, Probability
from trainables.optimizer import Optimizer, ParameterGroup


class Adam(Optimizer):
    """torch.optim.Adam, fused: one kernel over all parameters."""

    name: ClassVar[str] = "adam"

    lr: Positive = 1e-3
    """Learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the running means of gradients and of their squares."""
    eps: Positive = 1e-8

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        return torch.optim.Adam(groups, lr=self.lr, betas=self.betas, eps=self.eps, fused=True)
