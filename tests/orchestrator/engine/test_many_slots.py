"""What the loop looks at for an event: its slot, and no other, however many there are."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from clusters.file import read_cluster
from clusters.nodes import Node
from orchestrator.engine import Event, ExchangeResult, Shape
from orchestrator.engine import pool as pool_module
from orchestrator.engine import ray as ray_module
from orchestrator.engine.placement import Placement
from orchestrator.engine.ray import RayEngine
from orchestrator.engine.slots import Slot, SlotClient
from tests.orchestrator.engine.trial_tasks import ended, started, trial_task
from trainables.context import Context
from trainables.records import TrialResult
from trainables.spec import TrialTask

SHAPE = Shape(1, 1, 0.0)
SLOTS_OF_A_NODE = 10


class Enough(Exception):
    """Ends the loop."""


class Reference:
    """In place of Ray's."""

    answer: Any = None


class Connection(SlotClient):
    """A slot that says what the test has it say."""

    def __init__(self) -> None:
        super().__init__(None)
        self.reference = Reference()
        self.handed: list[str] = []
        self.withdrawn = Reference()

    def connect(self) -> Reference:
        self.says()
        return self.reference

    def exchange(self, trial_tasks: Sequence[TrialTask]) -> Reference:
        self.submit(trial_tasks)
        self.reference = Reference()
        return self.reference

    def submit(self, trial_tasks: Sequence[TrialTask]) -> None:
        self.handed += [given.trial_id for given in trial_tasks]

    def withdraw(self) -> Reference:
        return self.withdrawn

    def failure(self) -> str | None:
        return None

    def close(self, *, graceful: bool) -> None:
        return

    def says(self, *events: Event, usable: bool = True) -> None:
        self.reference.answer = ExchangeResult(list(events), 0, usable=usable)


class Trials:
    """Work whose `tick` goes through the steps of a test, one for each turn of the loop."""

    def __init__(self, count: int) -> None:
        self.left = [trial_task(f"trial-{number}") for number in range(count)]
        self.steps: list[Callable[[], object]] = []
        self.told: list[Event] = []
        self.deferred = True

    def shapes(self) -> list[Shape]:
        return [SHAPE] * bool(self.left)

    def waiting(self, shape: Shape) -> int:
        return len(self.left)

    def take(self, shape: Shape, node: str = "") -> TrialTask | None:
        return self.left.pop(0) if self.left else None

    def requeue(self, given: TrialTask) -> None:
        self.left.insert(0, given)

    def bad_nodes(self) -> frozenset[str]:
        return frozenset()

    def has_deferred(self, shape: Shape) -> bool:
        return self.deferred

    def note(self, text: str) -> None:
        return

    def on_event(self, event: Event) -> bool:
        self.told.append(event)
        return False

    def tick(self) -> None:
        if not self.steps:
            raise Enough
        self.steps.pop(0)()


def run_trial(given: TrialTask, context: Context) -> TrialResult:
    raise NotImplementedError


class Loop:
    """The real loop on so many slots, each of which holds a trial."""

    def __init__(self, slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections: list[Connection] = []
        self.engine = RayEngine(read_cluster(None), run_trial)
        nodes = tuple(Node(f"node-{n}", "host", SLOTS_OF_A_NODE, 0, 2.0**33) for n in range(slots // SLOTS_OF_A_NODE))
        cluster: Any = SimpleNamespace(nodes=nodes, usage=lambda: None, check=lambda: None)
        self.engine._cluster = cluster
        self.engine._pool.update(nodes, frozenset())
        self.work = Trials(slots)
        self.looked_at: set[str] = set()
        monkeypatch.setattr(pool_module, "SlotProcessClient", self._open)
        monkeypatch.setattr(ray, "wait", lambda those, **_: ([each for each in those if each.answer is not None], []))
        monkeypatch.setattr(ray, "get", lambda reference: reference.answer)

    def run(self, *steps: Callable[[], object]) -> None:
        self.work.steps = list(steps)
        work: Any = self.work
        with pytest.raises(Enough):
            self.engine.run(work)

    def _open(self, name: str, placement: Placement, run_trial: object) -> Connection:
        self.connections.append(Connection())
        return self.connections[-1]

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From here on every slot that anything is asked of is noted; the next look at all of them is far away."""
        monkeypatch.setattr(ray_module, "POLL_SECONDS", 1e9)

        def noted(slot: Slot, name: str) -> object:
            self.looked_at.add(object.__getattribute__(slot, "name"))
            return object.__getattribute__(slot, name)

        monkeypatch.setattr(Slot, "__getattribute__", noted)


@pytest.mark.parametrize("slots", [50, 500])
def test_an_event_is_its_slots_matter_alone(slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(slots, monkeypatch)
    loop.run(
        lambda: loop.watch(monkeypatch),
        lambda: loop.connections[7].says(started("trial-7")),
        lambda: loop.connections[7].says(ended("trial-7")),
        lambda: None,
    )
    assert [connection.handed for connection in loop.connections] == [[f"trial-{number}"] for number in range(slots)]
    assert [type(event) for event in loop.work.told] == [type(started()), type(ended())]
    assert loop.looked_at == {"slot-8"}


@pytest.mark.parametrize("slots", [50, 500])
def test_a_trial_that_comes_to_wait_goes_to_the_slot_that_is_idle(slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(slots, monkeypatch)
    loop.run(
        lambda: loop.connections[7].says(started("trial-7"), ended("trial-7")),
        lambda: loop.watch(monkeypatch),
        lambda: loop.work.requeue(trial_task("late")),
        lambda: None,
    )
    assert loop.connections[7].handed == ["trial-7", "late"]
    assert len(loop.connections) == slots, "no other is opened for it"
    assert loop.looked_at == {"slot-8"}


@pytest.mark.parametrize("slots", [50, 500])
def test_a_slot_that_is_replaced_disturbs_no_other(slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(slots, monkeypatch)
    loop.run(
        lambda: loop.watch(monkeypatch),
        lambda: loop.connections[7].says(started("trial-7"), usable=False),
        lambda: None,
        lambda: None,
    )
    assert len(loop.connections) == slots + 1
    assert loop.connections[-1].handed == ["trial-7"]
    assert loop.looked_at == {"slot-8", f"slot-{slots + 1}"}


def test_slots_that_nothing_waits_for_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(20, monkeypatch)

    def end_half() -> None:
        for number in range(10):
            loop.connections[number].says(started(f"trial-{number}"), ended(f"trial-{number}"))

    def nothing_is_deferred() -> None:
        assert len(loop.engine._pool) == 20, "they are kept for trials that will wait"
        loop.work.deferred = False

    loop.run(end_half, lambda: None, nothing_is_deferred, lambda: None)
    assert len(loop.engine._pool) == loop.engine._pool.count(SHAPE) == 10
    assert loop.engine._pool.count_idle(SHAPE) == 0
