"""Which epoch is selected: the one with the best value of a validation measure, the earliest among equals; or the last."""

import math
from collections.abc import Sequence
from typing import Final

from trainables.protocol import Protocol
from trainables.records import EpochRow
from trainables.task import Task

LAST: Final = "last"
"""What a protocol selects that takes the last epoch, however good it is on validation."""


def unsupported(protocol: Protocol, task: Task) -> str | None:
    """None, or the reason why this protocol cannot select on this task (the reason of a skipped row)."""
    if protocol.select in (None, LAST) or protocol.select in task.selections:
        return None
    known = ", ".join(task.selections)
    return f"the protocol selects on {protocol.select}, which the task {task.name} does not measure; it has {known}"


def is_best(history: Sequence[EpochRow], protocol: Protocol, task: Task) -> bool:
    """Whether the newest epoch is better than all before it. An undefined value is worse than any other."""
    if protocol.select == LAST:
        return True
    measure = protocol.select or task.default_selection
    sign = 1 if task.selections[measure] == "max" else -1
    values = [_rank(getattr(row, measure), sign) for row in history]
    return len(values) == 1 or values[-1] > max(values[:-1])


def _rank(value: float | None, sign: int) -> float:
    return -math.inf if value is None or math.isnan(value) else sign * value
