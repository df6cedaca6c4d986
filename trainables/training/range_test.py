"""What a learning-rate range test finds (Smith 2017, "Cyclical Learning Rates", section 3.3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from trainables.context import Context
from trainables.interfaces import State
from trainables.records import CurveRow
from trainables.training.learner import Learner, StepResult, WrappedLearner

_MAX_POINTS: Final = 100
_WORSE_THAN_UNTRAINED: Final = 1.25
"""Times the loss of the first point: more than the losses of an untrained network's batches differ."""


@dataclass(frozen=True, slots=True)
class RangeFound:
    """Learning rates are those of the first parameter group."""

    lr_lowest_loss: float | None
    """None where no loss was finite."""
    lr_diverged: float | None
    """Where the loss was first not finite, or clearly above that of the untrained network. None where it never was."""
    curve: tuple[CurveRow, ...]
    """Learning rate and mean training loss of at most 100 points of equally many steps; those that are finite."""


class RangeTest(WrappedLearner):
    """A learner whose every step is noted with its learning rate."""

    def __init__(self, learner: Learner, context: Context) -> None:
        super().__init__(learner)
        self._context = context
        self._rates: list[float] = []
        self._losses: list[Tensor] = []
        self._counts: list[float] = []

    def step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        result = super().step(inputs, targets)
        self._rates.append(self.lr)
        self._losses.append(result.loss.double())
        self._counts.append(len(inputs))
        return result

    def state(self) -> State:
        sums, counts = self._over_all_ranks()
        return {"learner": super().state(), "rates": self._rates, "losses": sums, "counts": counts}

    def load_state(self, state: State) -> None:
        super().load_state(state["learner"])
        losses, counts = state["losses"], state["counts"]
        if self._context.rank > 0:  # what is kept are sums over the ranks
            losses, counts = torch.zeros_like(losses), torch.zeros_like(counts)
        self._rates, self._losses, self._counts = list(state["rates"]), list(losses), counts.tolist()

    def found(self) -> RangeFound:
        """Called by every rank; the same on each."""
        sums, counts = self._over_all_ranks()
        return found(self._rates, (sums / counts).tolist())

    def _over_all_ranks(self) -> tuple[Tensor, Tensor]:
        """Sum over the ranks the losses of each step, and the number of examples."""
        sums = self._context.all_reduce(torch.stack(self._losses))
        return sums, self._context.all_reduce(torch.tensor(self._counts, dtype=torch.float64, device=sums.device))


def found(rates: Sequence[float], losses: Sequence[float]) -> RangeFound:
    """Find the rates from the learning rate and the loss of each step, in their order."""
    points = _points(rates, losses)
    finite = [(rate, loss) for rate, loss in points if math.isfinite(loss)]
    limit = _WORSE_THAN_UNTRAINED * points[0][1]
    curve = tuple(CurveRow("lr_range", 0, number, rate, loss) for number, (rate, loss) in enumerate(finite))
    return RangeFound(
        lr_lowest_loss=min(finite, key=lambda point: point[1])[0] if finite else None,
        lr_diverged=next((rate for rate, loss in points if not loss <= limit), None),
        curve=curve,
    )


def _points(rates: Sequence[float], losses: Sequence[float]) -> list[tuple[float, float]]:
    """Steps in groups of equal size: the learning rate in the middle of each, and its mean loss."""
    count = min(_MAX_POINTS, len(losses))
    bounds = [len(losses) * number // count for number in range(count + 1)]
    return [
        (rates[(start + stop - 1) // 2], sum(losses[start:stop]) / (stop - start)) for start, stop in pairwise(bounds)
    ]
