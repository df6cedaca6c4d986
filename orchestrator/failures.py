"""What has failed in this sweep: how often each trial, and whether a node is to blame. The sweep acts on it."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.engine import Broke, FailureKind
from orchestrator.engine.health import NodeHealth
from orchestrator.engine.retry import Decision, decide
from orchestrator.leased import Leased

ELSEWHERE_SECONDS: Final = 30.0
"""A trial that failed on a node is kept from it for so long: another one is to try it."""


@dataclass(frozen=True, slots=True)
class Blamed:
    """A node that is not used any more."""

    host: str
    failed: int
    """Trials in a row that failed there."""
    given_up: tuple[tuple[Leased, str], ...]
    """Those of them that had been given up, each with the status that it got: they are to be tried again."""


class Failures:
    """Of one sweep."""

    def __init__(self) -> None:
        self._times: Counter[tuple[str, FailureKind]] = Counter()
        self._health = NodeHealth()
        self._hosts: dict[str, str] = {}
        """Node id to the name of the machine."""
        self._suspects: dict[str, Leased] = {}
        """Failed trials whose node may turn out to be the cause."""
        self._given_up: dict[str, str] = {}
        """Trial to its status, where it has not come to its end in this sweep."""

    @property
    def bad_nodes(self) -> frozenset[str]:
        return self._health.drained

    def begun(self, leased: Leased, host: str) -> None:
        if leased.node:
            self._hosts.setdefault(leased.node, host)

    def ended(self, leased: Leased) -> None:
        """A trial has come to its end."""
        if leased.node:
            self._health.completed(leased.node)

    def broke(self, event: Broke, leased: Leased) -> Decision:
        """Count an attempt that broke, and decide. A trial that waits again keeps from its node for a while."""
        trial_id, kind = event.trial_id, event.failure.kind
        self._times[trial_id, kind] += 1
        decision = decide(event.failure, self._times[trial_id, kind])
        if decision.status is not None:
            self._given_up[trial_id] = decision.status
        leased.waiting.alone |= decision.alone
        self._keep_away(leased)
        if leased.node:
            self._health.failed(leased.node, trial_id, kind)
            self._suspects[trial_id] = leased
        return decision

    def take_blamed(self) -> Iterator[Blamed]:
        """Nodes on which every trial fails while others are completed elsewhere: nothing is held against their trials."""
        while (bad := self._health.take_bad()) is not None:
            node, failed = bad
            given_up = tuple(self._forgiven(self._suspects[trial_id]) for trial_id in failed)
            again = tuple((leased, status) for leased, status in given_up if status is not None)
            yield Blamed(self._hosts.get(node, node), len(failed), again)
        suspects = set(self._health.suspects())
        self._suspects = {trial_id: leased for trial_id, leased in self._suspects.items() if trial_id in suspects}

    def _forgiven(self, leased: Leased) -> tuple[Leased, str | None]:
        trial_id = leased.waiting.trial_id
        for kind in FailureKind:
            self._times.pop((trial_id, kind), None)
        if leased.waiting.tuning is not None:  # its tuner has been told already
            return leased, None
        return leased, self._given_up.pop(trial_id, None)

    def _keep_away(self, leased: Leased) -> None:
        waiting = leased.waiting
        waiting.avoids = leased.node if len(self._hosts) > 1 else ""
        waiting.avoids_until = time.monotonic() + ELSEWHERE_SECONDS
