"""Which tasks a slot is handed."""

from typing import Any

import pytest

from orchestrator.engine import Shape
from orchestrator.engine.slots import AHEAD, Prefetcher, Slot
from tests.orchestrator.engine.trial_tasks import started, trial_task
from trainables.spec import TrialTask

SINGLE = Shape(1, 1, 0)


class Waiting:
    """Trials that wait, in order."""

    def __init__(self, *names: str) -> None:
        self.left = [trial_task(name) for name in names]
        self.bad: frozenset[str] = frozenset()

    def take(self, shape: Shape, node: str = "") -> TrialTask | None:
        return self.left.pop(0) if self.left else None

    def requeue(self, given: TrialTask) -> None:
        self.left.insert(0, given)

    def waiting(self, shape: Shape) -> int:
        return len(self.left)

    def bad_nodes(self) -> frozenset[str]:
        return self.bad


def slot(*, quick: bool) -> Slot:
    line: Any = object()
    made = Slot("slot-1", SINGLE, line, ("node",), ready=True)
    made.quick = quick
    return made


def handed(leasing: Prefetcher, to: Slot, waiting: Any) -> list[str]:
    return [given.trial_id for given in leasing.next_tasks(to, waiting, peers=1)]


def test_one_at_a_time_until_trials_are_known_to_be_quick() -> None:
    leasing, waiting = Prefetcher(), Waiting(*"abcdefghijklm")
    one = slot(quick=False)
    assert handed(leasing, one, waiting) == ["a"]
    assert handed(leasing, one, waiting) == []
    one.quick = True
    assert len(handed(leasing, one, waiting)) == AHEAD - 1


@pytest.mark.parametrize("reason", ["not ready", "bad node"])
def test_nothing_for_a_slot_that_is_not_to_be_used(reason: str) -> None:
    one, waiting = slot(quick=True), Waiting("a")
    if reason == "not ready":
        one.ready = False
    else:
        waiting.bad = frozenset({"node"})
    assert handed(Prefetcher(), one, waiting) == []


def test_trials_of_which_one_ended_its_slot_have_a_slot_to_themselves() -> None:
    leasing, waiting = Prefetcher(), Waiting(*"abc")
    ended = slot(quick=True)
    assert handed(leasing, ended, waiting) == ["a", "b", "c"]
    ended.note(started("a"), 0.25)
    assert leasing.suspect(ended)
    again = Waiting("x", *"abc", "y")
    one = slot(quick=True)
    assert handed(leasing, one, again) == ["x"], "a is not put behind another"
    one.leases.clear()
    assert handed(leasing, one, again) == ["a"]
    assert handed(leasing, one, again) == [], "and none is put behind a"


def test_a_slot_with_one_trial_leaves_no_doubt() -> None:
    leasing = Prefetcher()
    one = slot(quick=True)
    assert handed(leasing, one, Waiting("a")) == ["a"]
    assert not leasing.suspect(one)
