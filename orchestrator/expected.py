"""How much work a trial is expected to be: what decides the order, and the time that is left."""

from collections.abc import Callable, Mapping
from typing import Final

from trainables.dataset import DataInfo
from trainables.model import Model

FLOPS_PER_SECOND: Final = 5e9
"""A rough rate of one core, training: it only has to put measured and counted trials on one scale."""
BACKWARD: Final = 3.0
"""Forward and backward together take about three times the forward pass (Kaplan et al. 2020, section 2.1)."""
MOST_COUNTED: Final = 200
"""Models that are built to be counted; with more, the rest are expected to be like the mean."""


class Expectation:
    """Seconds of work, from what earlier trials took where there are some, else from counted operations."""

    def __init__(
        self, measured: Mapping[str, float], count: Callable[[Model, DataInfo], int | None], *, alike: bool = False
    ) -> None:
        """count: a model's operations for one example (`counting`); None where they are not known.
        alike: all cells have one model and one data set, so there is nothing to count (it takes a second to begin).
        """
        self._measured = measured
        self._count = count
        self._alike = alike
        self._flops: dict[tuple[DataInfo, Model], int | None] = {}

    def seconds(self, cell_id: str, model: Model, data: DataInfo, examples: int, epochs: int) -> float:
        if cell_id in self._measured:
            return self._measured[cell_id]
        return epochs * examples * self._forward(model, data) * BACKWARD / FLOPS_PER_SECOND

    def _forward(self, model: Model, data: DataInfo) -> float:
        if self._alike:
            return 1
        key = (data, model)
        if key not in self._flops and len(self._flops) < MOST_COUNTED:
            self._flops[key] = self._count(model, data)
        flops = self._flops.get(key)
        return self._mean() if flops is None else flops

    def _mean(self) -> float:
        known = [flops for flops in self._flops.values() if flops is not None]
        return sum(known) / len(known) if known else 1
