"""Averaged stochastic gradient descent (Polyak and Juditsky 1992)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.component import NonNegative, Positive
from trainables.interfaces import ParameterGroup
from trainables.optimizers._torch import TorchOptimizer

if TYPE_CHECKING:
    import torch


class Asgd(TorchOptimizer):
    """torch.optim.ASGD: a learning rate that falls by a power of the step, as averaging asks for.

    torch keeps the average beside the weights and leaves it to the caller: what is evaluated are the weights. It takes a
    step at the rate that the step before has worked out, so a schedule acts one step late.
    """

    name: ClassVar[str] = "asgd"
    torch_name: ClassVar[str] = "ASGD"

    lr: Positive = 1e-2
    """Learning rate that the others fall from."""
    lambd: NonNegative = 1e-4
    """The learning rate of step t is divided by (1 + lambd lr t) ** alpha, and weights decay by lambd times it."""
    alpha: NonNegative = 0.75
    """The power by which the learning rate falls."""
    t0: NonNegative = 1e6
    """Steps after which the average begins; it is kept apart and not evaluated."""
    weight_decay: NonNegative = 0.0
    """Times each parameter is added to its gradient."""

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        on_gpu = any(parameter.is_cuda for group in groups for parameter in group["params"])
        # torch works out the next rate on the host unless told: twice in each step the host waits for each parameter
        implementation = {**self.implementation, "capturable": on_gpu}
        optimizer = self.torch_class()(groups, **self.options(), **implementation)
        if on_gpu:  # torch warns of what is slower where no graph is captured, which this is not
            optimizer._warned_capturable_if_run_uncaptured = True
        return optimizer
