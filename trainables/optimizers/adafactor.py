"""Adafactor (Shazeer and Stern 2018, algorithms 4 and 5): Adam's second moments kept as one row and one column."""

from typing import Annotated, ClassVar

from pydantic import Field

from trainables.component import NonNegative, Positive
from trainables.optimizers._torch import TorchOptimizer


class Adafactor(TorchOptimizer):
    """torch.optim.Adafactor: steps relative to the size of each weight, in little memory."""

    name: ClassVar[str] = "adafactor"
    elementwise: ClassVar[bool] = False
    torch_name: ClassVar[str] = "Adafactor"

    lr: Positive = 1e-2
    """The largest relative step; at step t it is 1 / sqrt(t) where that is smaller."""
    beta2_decay: Annotated[float, Field(lt=0)] = -0.8
    """The running mean of squared gradients decays by 1 - t ** beta2_decay at step t."""
    eps: tuple[Positive | None, Positive] = (None, 1e-3)
    """Least root of the squared gradient (null: the precision of the numbers), and least size of a weight."""
    d: Annotated[float, Field(ge=1)] = 1.0
    """Largest root mean square of a step before it is scaled."""
    weight_decay: NonNegative = 0.0
    """Share of each parameter taken off at every step, times the learning rate."""
