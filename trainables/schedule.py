"""What a learning-rate schedule is: a factor on the optimizer's learning rate at every step."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from trainables.component import AddedLater, Component, NonNegative
from trainables.records import EpochRow


@dataclass(frozen=True, slots=True)
class Moment:
    """Where training stands before a step."""

    step: int
    steps: int
    """Steps of the whole training."""
    epoch: int
    """Epochs finished."""
    epochs: int
    history: Sequence[EpochRow]
    """One row for each finished epoch."""


class Schedule(Component):
    """A value of `protocol.schedule`."""

    role: ClassVar[str] = "schedule"
    is_range_test: ClassVar[bool] = False
    """Whether the run looks for the learning rates at which training works (`trainables.training.range_test`)."""

    warm_up: Annotated[NonNegative, AddedLater(keeps=0.0)] = 0.0
    """Epochs, or parts of one, over which the learning rate rises to what the schedule says (Goyal et al. 2017)."""

    @abstractmethod
    def factor(self, at: Moment) -> float:
        """Return what the learning rate is multiplied by for this step, warm-up apart."""

    def factor_after_warm_up(self, at: Moment) -> float:
        """`factor` times the warm-up: a straight line from one part of it at the first step to all of it at the last.

        The schedule itself begins with the training and not after the warm-up, so that milestones stay where they are
        (Goyal et al. 2017, section 2.2 and 5.1).
        """
        steps = self.warm_up * at.steps / at.epochs
        return self.factor(at) if at.step + 1 >= steps else self.factor(at) * (at.step + 1) / steps
