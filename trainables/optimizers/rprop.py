"""Resilient back-propagation (Riedmiller and Braun 1993): the signs of the gradients alone."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from trainables.component import Positive
from trainables.optimizers._torch import TorchOptimizer


class Rprop(TorchOptimizer):
    """torch.optim.Rprop, made for whole-set batches: a step size for each weight, after the signs of its gradients.

    The learning rate is only where the step sizes begin, so that a schedule changes nothing after the first step.
    """

    name: ClassVar[str] = "rprop"
    torch_name: ClassVar[str] = "Rprop"

    lr: Positive = 1e-2
    """The first step size."""
    etas: tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(gt=1)]] = (0.5, 1.2)
    """What a step size is multiplied by when the sign has changed, and when it has not."""
    step_sizes: tuple[Positive, Positive] = (1e-6, 50.0)
    """The smallest and the largest step size."""

    @model_validator(mode="after")
    def _sizes_are_in_order(self) -> "Rprop":
        least, most = self.step_sizes
        if least >= most:
            raise ValueError(f"step_sizes are the smallest and the largest one, not {least:g} and {most:g}")
        return self
