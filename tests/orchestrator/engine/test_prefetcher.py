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

    def __init__(self, *names: str, fuse: int = 1) -> None:
        self.left = [trial_task(name, fuse=fuse) for name in names]
        self.bad: frozenset[str] = frozenset()

    def take(self, shape: Shape, node: str = "") -> TrialTask | None:
        return self.left.pop(0) if self.left else None

    def take_beside(self, given: TrialTask, node: str = "") -> list[TrialTask]:
        places = given.spec.protocol.fuse - 1
        beside, self.left = self.left[:places], self.left[places:]
        return beside

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


def test_a_stack_goes_to_a_slot_as_one_task_and_all_of_its_trials_are_assigned() -> None:
    prefetcher, waiting = Prefetcher(), Waiting(*"abcdefg", fuse=3)
    one = slot(quick=False)
    any_: Any = waiting
    (task,) = prefetcher.next_tasks(one, any_, peers=1)
    assert [each.trial_id for each in (task, *task.beside)] == ["a", "b", "c"]
    assert list(one.assignments) == ["a", "b", "c"]
    assert prefetcher.next_tasks(one, any_, peers=1) == []


def test_trials_of_a_stack_that_ended_its_slot_are_tried_one_by_one() -> None:
    prefetcher, waiting = Prefetcher(), Waiting(*"abc", fuse=3)
    any_: Any = waiting
    ended = slot(quick=False)
    prefetcher.next_tasks(ended, any_, peers=1)
    for each in "abc":
        ended.note(started(each), 0.25)
    assert prefetcher.suspect(ended)
    again: Any = Waiting("x", *"abc", fuse=3)
    one = slot(quick=False)
    (task,) = prefetcher.next_tasks(one, again, peers=1)
    assert (task.trial_id, task.beside) == ("x", ()), "none of them is put beside another"
    assert sorted(each.trial_id for each in again.left) == ["a", "b", "c"]
    one.assignments.clear()
    (task,) = prefetcher.next_tasks(one, again, peers=1)
    assert task.trial_id in "abc" and task.beside == ()
