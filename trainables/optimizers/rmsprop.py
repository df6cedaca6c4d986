"""RMSprop (Tieleman and Hinton 2012, lecture 6.5 of "Neural Networks for Machine Learning")."""

from typing import ClassVar

import torch

from trainables.component import Positive, Probability
from trainables.optimizer import Optimizer, ParameterGroup


class RmsProp(Optimizer):
    """torch.optim.RMSprop over lists of tensors at once; torch has no fused one."""

    name: ClassVar[str] = "rmsprop"

    lr: Positive = 1e-3
    """Learning rate."""
    alpha: Probability = 0.99
    """Decay of the running mean of squared gradients."""
    momentum: Probability = 0.0
    eps: Positive = 1e-8

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(
            groups, lr=self.lr, alpha=self.alpha, eps=self.eps, momentum=self.momentum, foreach=True
        )
