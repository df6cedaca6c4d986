"""Where slots go, by the engine's own accounting."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.nodes import Node
from orchestrator.engine import Shape
from orchestrator.engine.placement import FreeResources, Placement, Strategy, never_fits


def node(name: str, cpus: float, gpus: int = 0) -> Node:
    return Node(name, name, cpus, gpus, 2.0**33)


def fill(nodes: list[Node], shape: Shape, strategy: Strategy = "pack") -> list[tuple[str, ...]]:
    """Open slots until none fits."""
    rooms, placement = FreeResources(nodes, ()), []
    while (slot := rooms.place(shape, strategy)) is not None:
        placement.append(slot.nodes)
    return placement


def test_single_slots_fill_every_node_the_freest_first() -> None:
    assert fill([node("a", 2), node("b", 3)], Shape(1, 1, 0)) == [("b",), ("a",), ("b",), ("a",), ("b",)]


@pytest.mark.parametrize(("strategy", "expected"), [("pack", ("b", "b", "b", "a")), ("spread", ("a", "b", "c", "b"))])
def test_a_worker_group_is_packed_or_spread(strategy: Strategy, expected: tuple[str, ...]) -> None:
    nodes = [node("a", 2), node("b", 3), node("c", 1)]
    slot = FreeResources(nodes, ()).place(Shape(4, 1, 0), strategy)
    assert slot is not None
    assert Counter(slot.nodes) == Counter(expected)


def test_a_worker_group_takes_the_one_node_that_holds_it() -> None:
    assert fill([node("a", 2), node("b", 4), node("c", 3)], Shape(4, 1, 0)) == [("b",) * 4, ("c", "c", "c", "a")]


def test_workers_need_their_cpus_on_one_node() -> None:
    nodes = [node("a", 3), node("b", 3)]
    assert fill(nodes, Shape(1, 4, 0)) == []
    reason = never_fits(Shape(1, 4, 0), nodes, "lab")
    assert reason == "it needs 4 CPUs and 0 GPUs; 'lab' has 2 nodes of 3 CPUs, 0 GPUs"
    assert never_fits(Shape(2, 3, 0), nodes, "lab") is None


def test_shares_are_of_one_device() -> None:
    assert len(fill([node("a", 9, gpus=2)], Shape(1, 1, 0.6))) == 2, "one for each device, not 2 / 0.6"
    assert len(fill([node("a", 9, gpus=2)], Shape(1, 1, 0.25))) == 8
    assert fill([node("a", 9, gpus=1)], Shape(2, 1, 1)) == [], "workers of a worker group have whole devices"


def test_alone_means_a_whole_device_or_a_whole_node() -> None:
    alone = Shape(1, 1, 1, alone=True)
    rooms = FreeResources([node("a", 4, gpus=2)], [Placement(Shape(1, 1, 0.25), ("a",))])
    assert rooms.place(alone) is not None
    assert rooms.place(alone) is None
    on_cpus = replace(alone, gpus=0)
    busy = FreeResources([node("a", 4)], [Placement(Shape(1, 1, 0), ("a",))])
    assert busy.place(on_cpus) is None
    free = FreeResources([node("a", 4)], ())
    assert free.place(on_cpus) is not None
    assert free.place(Shape(1, 1, 0)) is None, "the whole node is taken"


def test_a_node_that_has_gone_takes_its_slots_with_it() -> None:
    rooms = FreeResources([node("b", 1)], [Placement(Shape(1, 1, 0), ("a",))])
    assert rooms.place(Shape(1, 1, 0)) == Placement(Shape(1, 1, 0), ("b",))


@given(
    nodes=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), min_size=1, max_size=4),
    shapes=st.lists(
        st.builds(Shape, st.integers(1, 3), st.integers(1, 3), st.sampled_from([0, 0.3, 0.5, 1, 2]), st.booleans()),
        max_size=12,
    ),
    strategy=st.sampled_from(["pack", "spread"]),
)
def test_no_node_is_ever_promised_twice(nodes: list[tuple[int, int]], shapes: list[Shape], strategy: Strategy) -> None:
    there = [node(str(number), cpus, gpus) for number, (cpus, gpus) in enumerate(nodes)]
    rooms = FreeResources(there, ())
    cpus, gpus = Counter[str](), Counter[str]()
    for shape in shapes:
        slot = rooms.place(shape, strategy)
        if slot is None:
            continue
        assert len(slot.nodes) == shape.workers
        for name in slot.nodes:
            cpus[name] += shape.cpus
            gpus[name] += shape.gpus
    for one in there:
        assert cpus[one.node_id] <= one.cpus
        assert gpus[one.node_id] <= one.gpus + 1e-6


SHAPES = [
    Shape(1, 1, 0),
    Shape(2, 1, 0),
    Shape(1, 2, 0.5),
    Shape(1, 1, 0.3),
    Shape(1, 1, 1),
    Shape(1, 1, 0, alone=True),
]


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2)), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from(SHAPES), st.integers(0, 5)), min_size=1, max_size=20),
)
def test_what_is_given_back_leaves_what_the_others_would_have_left(
    nodes: list[tuple[int, int]], turns: list[tuple[Shape, int]]
) -> None:
    there = [node(str(number), cpus, gpus) for number, (cpus, gpus) in enumerate(nodes)]
    rooms, held = FreeResources(there, ()), []
    for shape, goes in turns:
        if (placement := rooms.place(shape)) is not None:
            held.append(placement)
        if goes < len(held):
            rooms.give_back(held.pop(goes))
    anew = FreeResources(there, held)
    for shape in SHAPES:
        assert rooms.place(shape) == anew.place(shape)
