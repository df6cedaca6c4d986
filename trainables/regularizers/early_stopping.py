"""Early stopping (Prechelt 1998, "Early Stopping - But When?")."""

import math
from collections.abc import Sequence
from typing import ClassVar

from trainables.component import Count, NonNegative
from trainables.interfaces import Regularizer
from trainables.records import EpochRow


class EarlyStopping(Regularizer):
    """Ends training when the validation loss has not fallen for some epochs."""

    name: ClassVar[str] = "early_stopping"

    patience: Count = 5
    """Epochs in a row without improvement after which training ends."""
    min_delta: NonNegative = 0.0
    """How far the loss has to fall below the best so far to count as an improvement."""

    def should_stop(self, history: Sequence[EpochRow]) -> bool:
        best, waited = math.inf, 0
        for row in history:
            if row.val.loss < best - self.min_delta:
                best, waited = row.val.loss, 0
            else:
                waited += 1
        return waited >= self.patience
