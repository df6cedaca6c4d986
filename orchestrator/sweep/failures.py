"""What has failed in this sweep: how often each trial, and whether a node is to blame. The sweep acts on it."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from orchestrator.engine import AttemptFailed, Failure, FailureKind
from orchestrator.sweep.queue import RunningTrial
from results_schema import NOT_MADE, Retryable

# Tells a bad node from bad trials. Pure.

STREAK: Final = 3
"""Different trials that fail on a node in a row before it may be drained."""
REMEMBERED: Final = 1000
"""Failed trials that a streak remembers, for them to be tried elsewhere."""

_TELLING: Final = frozenset({FailureKind.ERROR, FailureKind.DATA, FailureKind.WORKER_LOST, FailureKind.POISONED})
"""What may be the node's fault. Time and memory run out by the trial's own doing."""


@dataclass(slots=True)
class _Streak:
    began: int
    """Trials that had been completed anywhere."""
    failed: dict[str, None] = field(default_factory=dict)
    """Trials, in order."""


class NodeHealth:
    """How trials ended on each node of late. Whatever ends, only its own node is looked at."""

    def __init__(self) -> None:
        self._streaks: dict[str, _Streak] = {}
        self._completed = 0
        self._suspect: dict[str, None] = {}
        """Nodes with a long streak since which nothing has been completed: nobody knows yet whether to blame them."""
        self._bad: dict[str, None] = {}
        """Those that are to blame, and have not been taken."""
        self.drained: frozenset[str] = frozenset()

    def completed(self, node: str) -> None:
        """A trial came to its end there."""
        self._completed += 1
        for streaks in (self._streaks, self._suspect, self._bad):
            streaks.pop(node, None)
        self._bad.update(self._suspect)
        self._suspect.clear()

    def failed(self, node: str, trial_id: str, kind: FailureKind) -> bool:
        """Whether that may turn out to be the node's fault."""
        if kind not in _TELLING or node in self.drained:
            return False
        streak = self._streaks.setdefault(node, _Streak(self._completed))
        if len(streak.failed) < REMEMBERED:
            streak.failed[trial_id] = None
        if len(streak.failed) >= STREAK and node not in self._bad:
            (self._bad if self._completed > streak.began else self._suspect)[node] = None
        return trial_id in streak.failed

    def take_bad(self) -> tuple[str, list[str]] | None:
        """A node that is drained from now on, and the trials that failed there for its sake; None when there is none."""
        if not self._bad:
            return None
        node = next(iter(self._bad))
        del self._bad[node]
        self.drained |= {node}
        return node, list(self._streaks.pop(node).failed)


# From a failure to a decision. Pure: the sweep carries it out.

GivenUp = Literal[Retryable, "cancelled", "skipped"]

LOST_WORKERS: Final = 3
"""Attempts that may end with a lost or poisoned process before the trial itself is taken for the cause."""
LOST_NODES: Final = 5
"""The same for nodes, which go away for reasons of their own; a trial may still be one of them."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a trial whose attempt broke."""

    status: GivenUp | None
    """The trial's status, or None: it waits to be tried again."""
    reason: str
    alone: bool = False
    """Whether it is tried again with its device, or its node, to itself."""

    @property
    def again(self) -> bool:
        return self.status is None


def decide(failure: Failure, times: int) -> Decision:
    """Return what to do after `failure`, the `times`-th of its kind that ended an attempt of this trial in this sweep.

    An exception, broken data and a time-out would come again with the same configuration, so they are final. A process
    that went away says nothing of the trial until it has happened to it LOST_WORKERS times. What ran out of memory may
    have done so for its neighbours' sake: it is tried once more without them. Its batch is never changed.
    """
    match failure.kind:
        case FailureKind.ERROR | FailureKind.DATA:
            return Decision("failed", failure.message)
        case FailureKind.TIMED_OUT:
            return Decision("timed_out", failure.message)
        case FailureKind.CANCELLED:
            return Decision("cancelled", failure.message)
        case FailureKind.UNSUPPORTED:
            return Decision("skipped", f"{NOT_MADE}{failure.message}")
        case FailureKind.OUT_OF_MEMORY:
            if times == 1:
                return Decision(None, f"trying again, alone on its device, since {failure.message}", alone=True)
            return Decision("out_of_memory", f"even alone on its device: {failure.message}")
        case FailureKind.POISONED | FailureKind.WORKER_LOST:
            return _again(failure, times, LOST_WORKERS)
        case FailureKind.NODE_LOST:
            return _again(failure, times, LOST_NODES)


def _again(failure: Failure, times: int, most: int) -> Decision:
    if times < most:
        return Decision(None, f"trying again ({times + 1} of {most}), since {failure.message}")
    return Decision("failed", f"gave up after {times} attempts: {failure.message}")


ELSEWHERE_SECONDS: Final = 30.0
"""A trial that failed on a node is kept from it for so long: another one is to try it."""


@dataclass(frozen=True, slots=True)
class BadNode:
    """A node that is not used any more."""

    host: str
    failed: int
    """Trials in a row that failed there."""
    given_up: tuple[tuple[RunningTrial, str], ...]
    """Those of them that had been given up, each with the status that it got: they are to be tried again."""


class Failures:
    """Counts the failures of one sweep."""

    def __init__(self) -> None:
        self._times: Counter[tuple[str, FailureKind]] = Counter()
        self._health = NodeHealth()
        self._hosts: dict[str, str] = {}
        """Node id to the name of the machine."""
        self._suspects: dict[str, dict[str, RunningTrial]] = {}
        """By node, the failed trials of which it may turn out to be the cause."""
        self._given_up: dict[str, str] = {}
        """Trial to its status, where it has not come to its end in this sweep."""

    @property
    def bad_nodes(self) -> frozenset[str]:
        return self._health.drained

    def begun(self, trial: RunningTrial, host: str) -> None:
        if trial.node:
            self._hosts.setdefault(trial.node, host)

    def attempt_finished(self, trial: RunningTrial) -> None:
        """A trial has come to its end."""
        if trial.node:
            self._health.completed(trial.node)
            self._suspects.pop(trial.node, None)

    def attempt_failed(self, event: AttemptFailed, trial: RunningTrial) -> Decision:
        """Count an attempt that broke, and decide. A trial that waits again keeps from its node for a while."""
        trial_id, kind = event.trial_id, event.failure.kind
        self._times[trial_id, kind] += 1
        decision = decide(event.failure, self._times[trial_id, kind])
        if decision.status is not None:
            self._given_up[trial_id] = decision.status
        trial.waiting.alone |= decision.alone
        self._keep_away(trial)
        if trial.node and self._health.failed(trial.node, trial_id, kind):
            self._suspects.setdefault(trial.node, {})[trial_id] = trial
        return decision

    def take_bad_nodes(self) -> Iterator[BadNode]:
        """Nodes on which every trial fails while others are completed elsewhere: nothing is held against their trials."""
        while (bad := self._health.take_bad()) is not None:
            node, failed = bad
            suspects = self._suspects.pop(node)
            given_up = tuple(self._forgiven(suspects[trial_id]) for trial_id in failed)
            again = tuple((trial, status) for trial, status in given_up if status is not None)
            yield BadNode(self._hosts.get(node, node), len(failed), again)

    def _forgiven(self, trial: RunningTrial) -> tuple[RunningTrial, str | None]:
        trial_id = trial.waiting.trial_id
        for kind in FailureKind:
            self._times.pop((trial_id, kind), None)
        if trial.waiting.tuning is not None:  # its tuner has been told already
            return trial, None
        return trial, self._given_up.pop(trial_id, None)

    def _keep_away(self, trial: RunningTrial) -> None:
        waiting = trial.waiting
        waiting.avoids = trial.node if len(self._hosts) > 1 else ""
        waiting.avoids_until = time.monotonic() + ELSEWHERE_SECONDS
