"""Which trial comes next."""

import random
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from orchestrator.engine import Shape
from orchestrator.sweep.queue import Packing, TrialQueue, Waiting

SINGLE, PAIR = Shape(1, 1, 0), Shape(2, 1, 0)


def waiting(expected: float, number: int, shape: Shape = SINGLE, stack: bytes | None = None) -> Waiting:
    cell: Any = SimpleNamespace(shape=shape, fusion_key=stack)
    return Waiting(-expected, number, f"trial-{number}", 0, cell)


def taken(queue: TrialQueue, shape: Shape) -> list[str]:
    ids = []
    while (trial := queue.take(shape)) is not None:
        ids.append(trial.trial_id)
    return ids


def test_the_longest_expected_comes_first_and_equals_in_the_order_of_the_plan() -> None:
    queue = TrialQueue(Packing())
    trials = [waiting(expected, number) for number, expected in enumerate([1.0, 5.0, 3.0, 5.0, 0.5])]
    random.Random(0).shuffle(trials)
    for trial in trials:
        queue.add(trial)
    assert taken(queue, SINGLE) == ["trial-1", "trial-3", "trial-2", "trial-0", "trial-4"]


def test_shapes_come_by_the_work_that_waits() -> None:
    queue = TrialQueue(Packing())
    queue.add(waiting(4.0, 0, PAIR))
    for number in range(1, 4):
        queue.add(waiting(2.0, number))
    assert queue.shapes() == [SINGLE, PAIR]
    queue.take(SINGLE)
    queue.take(SINGLE)
    assert queue.shapes() == [PAIR, SINGLE]
    queue.take(PAIR)
    assert queue.shapes() == [SINGLE]
    assert (queue.count(PAIR), queue.count(SINGLE), len(queue), queue.expected) == (0, 1, 1, 2.0)


def test_nothing_waits_of_an_unknown_shape() -> None:
    queue = TrialQueue(Packing())
    assert queue.take(PAIR) is None
    assert queue.count(PAIR) == 0
    assert queue.shapes() == []


def test_what_is_given_back_is_taken_again() -> None:
    queue = TrialQueue(Packing())
    queue.add(waiting(3.0, 0))
    queue.add(waiting(1.0, 1))
    first = queue.take(SINGLE)
    assert first is not None
    queue.add(first)
    assert taken(queue, SINGLE) == ["trial-0", "trial-1"]


def test_a_trial_keeps_from_the_node_where_it_failed_for_a_while() -> None:
    queue = TrialQueue(Packing())
    again, other = waiting(5.0, 0), waiting(1.0, 1)
    again.avoids, again.avoids_until = "bad", time.monotonic() + 60
    queue.add(again)
    queue.add(other)
    assert queue.take(SINGLE, "bad") is other
    assert queue.take(SINGLE, "bad") is None
    assert (queue.count(SINGLE), queue.expected) == (1, 5.0)
    assert queue.take(SINGLE, "good") is again
    again.avoids_until = time.monotonic()
    queue.add(again)
    assert queue.take(SINGLE, "bad") is again


def test_what_ran_out_of_memory_waits_for_a_slot_of_its_own() -> None:
    queue = TrialQueue(Packing())
    single, pair = waiting(1.0, 0), waiting(1.0, 1, PAIR)
    single.alone = pair.alone = True
    queue.add(single)
    queue.add(pair)
    assert queue.take(SINGLE) is None
    assert queue.take(replace(SINGLE, alone=True)) is single
    assert queue.take(PAIR) is pair


def test_what_fits_into_one_stack_is_taken_beside_each_other() -> None:
    queue = TrialQueue(Packing())
    for number, (expected, stack) in enumerate([(2.0, b"a"), (3.0, None), (2.0, b"b"), (2.0, b"a"), (1.0, b"a")]):
        queue.add(waiting(expected, number, stack=stack))
    alone = queue.take(SINGLE)
    assert alone is not None and alone.trial_id == "trial-1", "the longest expected comes first, whatever it fits into"
    assert queue.take_beside(alone) is None
    first = queue.take(SINGLE)
    assert first is not None and first.trial_id == "trial-0"
    beside = [queue.take_beside(first) for _ in range(3)]
    assert [each and each.trial_id for each in beside] == ["trial-3", "trial-4", None]
    assert (queue.count(SINGLE), queue.expected, queue.shapes()) == (1, 2.0, [SINGLE])
    assert taken(queue, SINGLE) == ["trial-2"]


def test_what_keeps_from_a_node_is_not_taken_there_beside_another_either() -> None:
    queue = TrialQueue(Packing())
    first, again = waiting(2.0, 0, stack=b"a"), waiting(2.0, 1, stack=b"a")
    again.avoids, again.avoids_until = "bad", time.monotonic() + 60
    queue.add(first)
    queue.add(again)
    assert queue.take(SINGLE, "bad") is first
    assert queue.take_beside(first, "bad") is None
    assert queue.take_beside(first, "good") is again
