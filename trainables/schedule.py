"""What a learning-rate schedule is: a factor on the optimizer's learning rate at every step."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from trainables.component import Component
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

    kind: ClassVar[str] = "schedule"

    @abstractmethod
    def factor(self, at: Moment) -> float:
        """What the learning rate is multiplied by for this step."""
