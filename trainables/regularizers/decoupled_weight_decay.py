"""Weight decay apart from the gradient (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization")."""

from collections.abc import Sequence
from typing import ClassVar

from trainables.component import NonNegative
from trainables.interfaces import ParameterGroup, Regularizer


class DecoupledWeightDecay(Regularizer):
    """Takes lr times `value` of each weight off it at every step, whatever the optimizer makes of the gradient.

    lr is the learning rate as the schedule has it then. With adam this is adamw, whose own `weight_decay` would come on
    top of it. Biases and the scales of normalisation layers (parameters of one dimension) are left alone.
    """

    name: ClassVar[str] = "decoupled_weight_decay"

    value: NonNegative = 0.01
    """Share of each weight taken off at every step, times the learning rate."""

    def on_step(self, groups: Sequence[ParameterGroup]) -> None:
        import torch

        for group in groups:
            weights = [parameter.data for parameter in group["params"] if parameter.ndim > 1]
            if weights:
                torch._foreach_mul_(weights, 1 - float(group["lr"]) * self.value)
