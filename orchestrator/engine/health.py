"""Tells a bad node from bad trials. Pure.

A node on which every trial fails (its GPU is broken, its data are missing) is always free again first, and would eat the
whole queue. It is recognised by comparison: several trials in a row failed there while others were completed elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from orchestrator.engine import FailureKind

STREAK: Final = 3
"""Different trials that fail on a node in a row before it may be drained."""
REMEMBERED: Final = 1000
"""Failed trials that a streak remembers, for them to be tried elsewhere."""

_TELLING: Final = frozenset({FailureKind.ERROR, FailureKind.DATA, FailureKind.WORKER_LOST, FailureKind.POISONED})
"""What may be the node's fault. Time and memory run out by the trial's own doing."""


@dataclass(slots=True)
class _Streak:
    failed: dict[str, None] = field(default_factory=dict)
    """Trials, in order."""
    completed_elsewhere: bool = False


class NodeHealth:
    """How trials ended on each node of late."""

    def __init__(self) -> None:
        self._streaks: dict[str, _Streak] = {}
        self._drained: set[str] = set()

    @property
    def drained(self) -> frozenset[str]:
        return frozenset(self._drained)

    def completed(self, node: str) -> None:
        """A trial came to its end there."""
        self._streaks.pop(node, None)
        for other in self._streaks.values():
            other.completed_elsewhere = True

    def failed(self, node: str, trial_id: str, kind: FailureKind) -> None:
        if kind not in _TELLING or node in self._drained:
            return
        failed = self._streaks.setdefault(node, _Streak()).failed
        if len(failed) < REMEMBERED:
            failed[trial_id] = None

    def suspects(self) -> Iterable[str]:
        """Trials whose failure may turn out to be their node's."""
        return (trial_id for streak in self._streaks.values() for trial_id in streak.failed)

    def take_bad(self) -> tuple[str, list[str]] | None:
        """A node that is drained from now on, and the trials that failed there for its sake; None when there is none."""
        for node, streak in self._streaks.items():
            if streak.completed_elsewhere and len(streak.failed) >= STREAK:
                del self._streaks[node]
                self._drained.add(node)
                return node, list(streak.failed)
        return None
