"""A learning rate that falls at milestones (He et al. 2016, sec. 4.2)."""

from typing import Annotated, ClassVar

from pydantic import Field

from trainables.component import Count
from trainables.protocol import Moment, Schedule


class Step(Schedule):
    """Multiplies by `gamma` at each milestone."""

    name: ClassVar[str] = "step"

    milestones: tuple[Count, ...] = ()
    """Finished epochs after which the learning rate falls; when empty, a half and three quarters of the training."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1

    def factor(self, at: Moment) -> float:
        milestones = self.milestones or (at.epochs / 2, at.epochs * 3 / 4)
        return float(self.gamma ** sum(at.epoch >= milestone for milestone in milestones))
