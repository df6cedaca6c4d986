"""When references are waited for, and in which order their slots are heard."""

from typing import Any

import pytest
import ray

from orchestrator.engine import Shape
from orchestrator.engine import arrivals as arrivals_module
from orchestrator.engine.arrivals import PAUSE, SHORTEST_PAUSE, Arrivals
from orchestrator.engine.slots import Slot


class Waits:
    """In place of Ray's `wait`: what is ready, and how often it was asked."""

    def __init__(self) -> None:
        self.ready: set[object] = set()
        self.asked = 0

    def __call__(self, references: list[object], **_: object) -> tuple[list[object], list[object]]:
        self.asked += 1
        return [each for each in references if each in self.ready], []


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    made = Waits()
    monkeypatch.setattr(ray, "wait", made)
    return made


def slots(arrivals: Arrivals, count: int) -> list[Slot]:
    """Each with a reference that is waited for."""
    client: Any = None
    made = [Slot(f"slot-{number}", Shape(1, 1, 0), client, ("node",)) for number in range(count)]
    for slot in made:
        slot.reference = arrivals.expect(object(), slot)
    return made


def test_ray_is_asked_again_when_all_that_it_found_has_been_taken(waits: Waits) -> None:
    arrivals = Arrivals()
    made = slots(arrivals, 5)
    waits.ready = {slot.reference for slot in made}
    heard = []
    for _ in range(5):
        slot, _ = next(arrivals.of(0.0))
        heard.append(slot.name)
        slot.reference = arrivals.expect(object(), slot)  # it has something to say again, but others come first
        waits.ready.add(slot.reference)
        assert waits.asked == 1
    assert heard == [slot.name for slot in made]
    assert not arrivals.are_left()
    assert len(list(arrivals.of(0.0))) == 5
    assert waits.asked == 2


def test_a_slot_that_is_closed_is_not_heard(waits: Waits) -> None:
    arrivals = Arrivals()
    first, second, third = slots(arrivals, 3)
    second.withdrawal = arrivals.expect(object(), second)
    waits.ready = {slot.reference for slot in (first, second, third)} | {second.withdrawal}
    heard = []
    for slot, _ in arrivals.of(0.0):
        heard.append(slot.name)
        arrivals.forget(second)
    assert heard == [first.name, third.name]


@pytest.mark.parametrize(("count", "pauses"), [(10, 0), (100, 0), (1000, 1)])
def test_many_references_are_waited_for_now_and_then(
    count: int, pauses: int, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(arrivals_module.time, "sleep", slept.append)
    monkeypatch.setattr(arrivals_module.time, "monotonic", lambda: 1000.0)
    arrivals = Arrivals()
    slots(arrivals, count)
    list(arrivals.of(0.0))
    assert slept == [], "nothing was asked just before"
    list(arrivals.of(0.0))
    assert slept == [pytest.approx(count * PAUSE)] * pauses
    assert all(seconds > SHORTEST_PAUSE for seconds in slept)
