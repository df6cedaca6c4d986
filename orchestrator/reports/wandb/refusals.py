"""Runs that W&B answered and refused: those that their owners have deleted there never come back, others are tried again."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orchestrator.reports.runs import Finished
from orchestrator.reports.wandb.tracker import Refused

_IN_A_ROW: Final = 3
"""After so many it is not the runs."""
_DELETED: Final = "previously created and deleted"
"""What W&B says of a run that its owner has deleted."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Of one run."""

    why: str
    again_at: float
    """On the monotonic clock; infinite where the run was deleted."""


class Refusals:
    """Of one writer."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._of: dict[Finished, _Refusal] = {}
        self._in_a_row = 0
        """Those that were deleted not counted."""

    def note(self, unit: Finished, run_id: str, failed: Refused, pause: float) -> None:
        """pause: seconds until it is tried again. Raises what it is given where too many were refused in a row."""
        deleted = _DELETED in str(failed)
        self._of[unit] = _Refusal(str(failed), math.inf if deleted else time.monotonic() + pause)
        self._in_a_row += not deleted
        if self._in_a_row >= _IN_A_ROW:
            self._in_a_row = 0
            raise failed
        self._say(f"W&B does not take the run {run_id}: {failed}")

    def taken(self) -> None:
        """A run was not refused."""
        self._in_a_row = 0

    def holds_back(self, unit: Finished, now: float) -> bool:
        return unit in self._of and self._of[unit].again_at > now

    def is_deleted(self, unit: Finished) -> bool:
        return unit in self._of and self._of[unit].again_at == math.inf

    def why(self, unit: Finished) -> str:
        return self._of[unit].why if unit in self._of else ""
