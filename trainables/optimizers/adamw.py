"""AdamW: Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019, algorithm 2)."""

from typing import ClassVar

import torch

from trainables.component import NonNegative, Positive, Probability
from trainables.optimizer import Optimizer, ParameterGroup


class AdamW(Optimizer):
    """torch.optim.AdamW, fused: one kernel over all parameters."""

    name: ClassVar[str] = "adamw"

    lr: Positive = 1e-3
    """Learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the running means of gradients and of their squares."""
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.01
    """Share of each parameter taken off at every step, times the learning rate."""

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            groups, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=True
        )
