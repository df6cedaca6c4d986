"""What a task is: the loss, what a model's outputs mean, and how they are measured."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.component import Component
from trainables.dataset import DataInfo
from trainables.records import Breakdown, Scores

if TYPE_CHECKING:
    from torch import Tensor


class Task(Component):
    """Chosen by the data set (`DataInfo.task`), never by the grid."""

    kind: ClassVar[str] = "task"
    selections: ClassVar[dict[str, Literal["max", "min"]]]
    """The validation measures a protocol may select on (fields of EpochRow), and which way is better."""
    default_selection: ClassVar[str]

    @abstractmethod
    def outputs(self, data: DataInfo) -> int:
        """How many numbers the model gives for one example."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean training loss of a batch, a scalar. Where targets are classes they may be probabilities (batch, classes),
        need not add up to 1, and count in proportion: regularizers weigh them.
        """

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """How many of the batch are right, a scalar tensor on the same device; None where nothing is right or wrong."""
        return None

    @abstractmethod
    def scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """Measure a whole split. outputs: (examples, outputs); targets as in Examples. Computed in float64 on the CPU."""

    def quick_scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """What every epoch needs of the validation split; may leave out what is slow to compute."""
        return self.scores(outputs, targets)

    def breakdown(self, outputs: Tensor, targets: Tensor, data: DataInfo) -> Breakdown:
        """The rows of the `classes` and `curves` tables for a split; empty where the task has none."""
        return Breakdown()
