"""How far the training of a trial has come."""

from dataclasses import dataclass, field

from torch import Tensor

from trainables.context import Signal
from trainables.evaluate import Outputs
from trainables.records import EpochRow


@dataclass(slots=True)
class TrainingProgress:
    """What `fit` carries from epoch to epoch, beside what the learner knows."""

    history: list[EpochRow] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    """The module's state after the epoch that is selected so far."""
    best_epoch: int | None = None
    best_val: Outputs | None = None
    """What these weights gave for the validation split."""
    examples: int = 0
    """Learnt, over all epochs and workers."""
    signal: Signal = Signal.GO_ON
    """What the ranks agreed on after the latest epoch."""
