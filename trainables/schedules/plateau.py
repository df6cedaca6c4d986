"""A learning rate that falls when validation stands still (torch.optim.lr_scheduler.ReduceLROnPlateau)."""

import math
from typing import Annotated, ClassVar

from pydantic import Field

from trainables.component import Probability
from trainables.protocol import Moment, Schedule

Epochs = Annotated[int, Field(ge=0)]


class Plateau(Schedule):
    """Multiplies by `gamma` when the validation loss has not fallen for more than `patience` epochs."""

    name: ClassVar[str] = "plateau"

    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Epochs = 10
    """Epochs in a row without improvement that are let pass; the learning rate falls after one more."""
    threshold: Probability = 1e-4
    """Share of the best loss by which it has to fall to count as an improvement."""
    cooldown: Epochs = 0
    """Epochs after a fall that are not counted."""
    minimum: Probability = 0.0
    """The least factor."""

    def factor(self, at: Moment) -> float:
        best, factor = math.inf, 1.0
        waited = cooling = 0
        for row in at.history:
            improved = row.val.loss < best * (1 - self.threshold)
            best, waited = (row.val.loss, 0) if improved else (best, waited + 1)
            if cooling:
                cooling, waited = cooling - 1, 0
            if waited > self.patience:
                factor, cooling, waited = max(factor * self.gamma, self.minimum), self.cooldown, 0
        return factor
