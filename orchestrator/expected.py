"""How much work a trial is expected to be: what decides the order, and the time that is left."""

from collections.abc import Mapping
from typing import Final

from trainables.costs import count_flops
from trainables.dataset import DataInfo
from trainables.model import Model
from trainables.registry import registry
from trainables.task import Task

FLOPS_PER_SECOND: Final = 5e9
"""A rough rate of one core, training: it only has to put measured and counted trials on one scale."""
BACKWARD: Final = 3.0
"""Forward and backward together take about three times the forward pass (Kaplan et al. 2020, section 2.1)."""
MOST_COUNTED: Final = 200
"""Models that are built to be counted; with more, the rest are expected to be like the mean."""


class Expectation:
    """Seconds of work, from what earlier trials took where there are some, else from counted operations."""

    def __init__(self, measured: Mapping[str, float], *, alike: bool = False) -> None:
        """alike: all cells have one model and one data set, so there is nothing to count (it takes a second to begin)."""
        self._measured = measured
        self._alike = alike
        self._flops: dict[tuple[DataInfo, Model], int] = {}

    def seconds(self, cell_id: str, model: Model, data: DataInfo, examples: int, epochs: int) -> float:
        if cell_id in self._measured:
            return self._measured[cell_id]
        return epochs * examples * self._forward(model, data) * BACKWARD / FLOPS_PER_SECOND

    def _forward(self, model: Model, data: DataInfo) -> float:
        if self._alike:
            return 1
        key = (data, model)
        if key not in self._flops:
            if len(self._flops) >= MOST_COUNTED:
                return sum(self._flops.values()) / len(self._flops)
            self._flops[key] = _count(model, data)
        return self._flops[key]


def _count(model: Model, data: DataInfo) -> int:
    task = registry.get("task", data.task)()
    assert isinstance(task, Task)
    return count_flops(model.build(data, task.outputs(data)), data.shape)
