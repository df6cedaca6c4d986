"""Which trial comes next."""

import random
from typing import Any

from orchestrator.engine import Shape
from orchestrator.queue import TrialQueue, Waiting

SINGLE, PAIR = Shape(1, 1, 0), Shape(2, 1, 0)
CELL: Any = object()


def waiting(expected: float, number: int) -> Waiting:
    return Waiting(-expected, number, f"trial-{number}", 0, CELL)


def taken(queue: TrialQueue, shape: Shape) -> list[str]:
    ids = []
    while (trial := queue.take(shape)) is not None:
        ids.append(trial.trial_id)
    return ids


def test_the_longest_expected_comes_first_and_equals_in_the_order_of_the_plan() -> None:
    queue = TrialQueue()
    trials = [waiting(expected, number) for number, expected in enumerate([1.0, 5.0, 3.0, 5.0, 0.5])]
    random.Random(0).shuffle(trials)
    for trial in trials:
        queue.add(SINGLE, trial)
    assert taken(queue, SINGLE) == ["trial-1", "trial-3", "trial-2", "trial-0", "trial-4"]


def test_shapes_come_by_the_work_that_waits() -> None:
    queue = TrialQueue()
    queue.add(PAIR, waiting(4.0, 0))
    for number in range(1, 4):
        queue.add(SINGLE, waiting(2.0, number))
    assert queue.shapes() == [SINGLE, PAIR]
    queue.take(SINGLE)
    queue.take(SINGLE)
    assert queue.shapes() == [PAIR, SINGLE]
    queue.take(PAIR)
    assert queue.shapes() == [SINGLE]
    assert (queue.count(PAIR), queue.count(SINGLE), len(queue), queue.expected) == (0, 1, 1, 2.0)


def test_nothing_waits_of_an_unknown_shape() -> None:
    queue = TrialQueue()
    assert queue.take(PAIR) is None
    assert queue.count(PAIR) == 0
    assert queue.shapes() == []


def test_what_is_given_back_is_taken_again() -> None:
    queue = TrialQueue()
    queue.add(SINGLE, waiting(3.0, 0))
    queue.add(SINGLE, waiting(1.0, 1))
    first = queue.take(SINGLE)
    assert first is not None
    queue.add(SINGLE, first)
    assert taken(queue, SINGLE) == ["trial-0", "trial-1"]
