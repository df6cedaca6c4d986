"""What a cell's trials try to be good at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainables.columns import Better, ClassMeasure, Scores
from trainables.protocol import LAST, Protocol, selected_column
from trainables.task import Task


@dataclass(frozen=True, slots=True)
class Goal:
    """The measure of validation that the protocol selects epochs by: tuning looks for it, the best trial is best in it."""

    measure: str
    """Column of `epochs`."""
    better: Better
    last: bool
    """Whether the last epoch counts, or the best."""
    name: str
    """As the protocol has it: `val_recall[defect]`, whose column is `val_recall_positive`."""

    @classmethod
    def of(cls, protocol: Protocol, task: Task) -> "Goal":
        measure, better = selected_column(protocol, task)
        last = protocol.select == LAST
        return cls(measure, better, last, measure if last or protocol.select is None else protocol.select)

    def score(self, values: Sequence[float | None]) -> float | None:
        """Score the epochs so far; the greater the better. None where there is no finite value."""
        sign = 1 if self.better == "higher" else -1
        finite = [
            sign * value for value in values[-1 if self.last else 0 :] if value is not None and math.isfinite(value)
        ]
        return max(finite, default=None)

    @property
    def title(self) -> str:
        """`validation balanced accuracy`."""
        if (of_class := ClassMeasure.read(self.name)) is not None:
            return f"validation {of_class.name.replace('_', ' ')} of {of_class.of}"
        return f"validation {self.measure.removeprefix('val_').replace('_', ' ')}"

    def of_scores(self, scores: Scores | None) -> float | None:
        """The measure of the validation split at the epoch that was selected."""
        return getattr(scores, self.measure.removeprefix("val_"), None)
