"""The learning-rate range test (Smith 2017, "Cyclical Learning Rates", section 3.3), in steps of equal ratio."""

from typing import ClassVar

from pydantic import model_validator

from trainables.component import Positive
from trainables.protocol import Moment, Schedule


class LrRange(Schedule):
    """Raises the learning rate at every step by the same ratio, to find where training works and where it diverges.

    A run that diverges has found what it looked for: its trial is `completed`, with the learning rates of the lowest
    loss and of the divergence in its row and the loss over the learning rate in `curves`.
    """

    name: ClassVar[str] = "lr_range"
    is_range_test: ClassVar[bool] = True

    least: Positive = 1e-5
    """What the optimizer's learning rate is multiplied by in the first step."""
    most: Positive = 10.0
    """And in the last one."""

    @model_validator(mode="after")
    def _rises(self) -> "LrRange":
        if self.least >= self.most:
            raise ValueError(f"least has to be below most, and {self.least:g} is not below {self.most:g}")
        if self.warm_up:
            raise ValueError("a range test begins with small learning rates; it takes no warm_up")
        return self

    def factor(self, at: Moment) -> float:
        return float(self.least * (self.most / self.least) ** (at.step / max(1, at.steps - 1)))
