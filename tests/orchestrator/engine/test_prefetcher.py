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
    client: Any = object()
    made = Slot("slot-1", SINGLE, client, ("node",), ready=True)
    made.quick = quick
    return made


def handed(prefetcher: Prefetcher, to: Slot, waiting: Any) -> list[str]:
    return [given.trial_id for given in prefetcher.next_tasks(to, waiting, peers=1)]


def test_one_at_a_time_until_trials_are_known_to_be_quick() -> None:
    prefetcher, waiting = Prefetcher(), Waiting(*"abcdefghijklm")
    one = slot(quick=False)
    assert handed(prefetcher, one, waiting) == ["a"]
    assert handed(prefetcher, one, waiting) == []
    one.quick = True
    assert len(handed(prefetcher, one, waiting)) == AHEAD - 1


@pytest.mark.parametrize("reason", ["not ready", "bad node"])
def test_nothing_for_a_slot_that_is_not_to_be_used(reason: str) -> None:
    one, waiting = slot(quick=True), Waiting("a")
    if reason == "not ready":
        one.ready = False
    else:
        waiting.bad = frozenset({"node"})
    assert handed(Prefetcher(), one, waiting) == []


def test_trials_of_which_one_ended_its_slot_have_a_slot_to_themselves() -> None:
    prefetcher, waiting = Prefetcher(), Waiting(*"abc")
    ended = slot(quick=True)
    assert handed(prefetcher, ended, waiting) == ["a", "b", "c"]
    ended.note(started("a"), 0.25)
    assert prefetcher.suspect(ended)
    again = Waiting("x", *"abc", "y")
    one = slot(quick=True)
    assert handed(prefetcher, one, again) == ["x"], "a is not put behind another"
    one.assignments.clear()
    assert handed(prefetcher, one, again) == ["a"]
    assert handed(prefetcher, one, again) == [], "and none is put behind a"


def test_a_slot_with_one_trial_leaves_no_doubt() -> None:
    prefetcher = Prefetcher()
    one = slot(quick=True)
    assert handed(prefetcher, one, Waiting("a")) == ["a"]
    assert not prefetcher.suspect(one)
