"""What the driver knows of a slot."""

from typing import Any

import pytest

from orchestrator.engine import Shape
from orchestrator.engine.slots import Slot, running
from tests.orchestrator.engine.trial_tasks import ended, started, trial_task
from trainables.context import RunningClock, running_time
from trainables.spec import TrialTask

LINE: Any = object()
SINGLE, PAIR = Shape(1, 1, 0), Shape(2, 1, 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The running time, to be set."""
    now = [100.0]
    monkeypatch.setattr(RunningClock, "seconds", lambda clock: now[0])
    return now


def slot(*trial_tasks: TrialTask, shape: Shape = SINGLE) -> Slot:
    """One that came up, and was handed the tasks, at the clock's time."""
    made = Slot("slot-1", shape, LINE, ("node",) * shape.workers, opened=running_time.seconds())
    made.ready = True
    made.assign(trial_tasks)
    for assignment in made.assignments.values():
        assignment.handed = running_time.seconds()
    return made


def test_a_trial_that_has_begun_counts_from_then(clock: list[float]) -> None:
    one = slot(trial_task("a", limit=10))
    clock[0] += 5
    one.note(started("a"), 0.25)
    clock[0] += 10.4
    assert one.overdue(0.05, 0.2) is None
    clock[0] += 0.2
    overdue = one.overdue(0.05, 0.2)
    assert overdue is not None
    assert (overdue[0].trial_task.trial_id, overdue[1]) == ("a", pytest.approx(10.6))


def test_a_process_that_cannot_say_that_it_has_begun_counts_from_the_handing_over(clock: list[float]) -> None:
    one = slot(trial_task("a", limit=10), trial_task("b", limit=10))
    one.note(started("a"), 0.25)
    clock[0] += 3
    one.note(ended("a"), 0.25)
    clock[0] += 10.4
    assert one.overdue(0.05, 0.2) is None, "b could not begin before a had ended"
    clock[0] += 0.2
    overdue = one.overdue(0.05, 0.2)
    assert overdue is not None
    assert (overdue[0].trial_task.trial_id, overdue[0].started) == ("b", None)


def test_a_worker_group_whose_ranks_are_still_coming_up_has_begun_with_nothing(clock: list[float]) -> None:
    worker_group = slot(trial_task("a", limit=10), shape=PAIR)
    clock[0] += 100
    assert worker_group.overdue(0.05, 0.2) is None
    assert running(worker_group) == []
    assert worker_group.silent_for() == 100


def test_a_trial_without_a_limit_is_never_overdue(clock: list[float]) -> None:
    one = slot(trial_task("a"))
    one.note(started("a"), 0.25)
    clock[0] += 1e9
    assert one.overdue(0.05, 0.2) is None
