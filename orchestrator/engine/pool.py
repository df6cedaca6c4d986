"""The slots that are open, and where another one fits."""

import time
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

from clusters.nodes import Node
from clusters.spec import ClusterSpec
from orchestrator.engine import RunTrial, Shape
from orchestrator.engine.arrivals import Arrivals
from orchestrator.engine.placement import FreeResources, Placement, never_fits
from orchestrator.engine.slots import Slot, SlotClient
from orchestrator.engine.worker import SlotProcessClient
from orchestrator.engine.worker_group import WorkerGroup

EXCLUDED_SECONDS: Final = 60.0
"""A node on which a slot did not come up is left in peace for so long: others use it, or it is about to go."""


class Pool:
    """Opens and closes slots, and knows what each holds.

    What is asked for an event or a trial is counted as slots come and go, and turn idle or busy: nothing here goes through
    all of them but the iteration.
    """

    def __init__(self, spec: ClusterSpec, run_trial: RunTrial, arrivals: Arrivals) -> None:
        """arrivals: waits for what the slots that are opened have to say."""
        self._spec, self._run_trial, self._arrivals = spec, run_trial, arrivals
        self._nodes: tuple[Node, ...] = ()
        self._memory: dict[str, float] = {}
        """Bytes of each node."""
        self._bad: Collection[str] = ()
        self._excluded: dict[str, float] = {}
        self._slots: dict[str, Slot] = {}
        self._idle: dict[Shape, dict[str, Slot]] = {}
        self._shapes: Counter[Shape] = Counter()
        self._beside: Counter[str] = Counter()
        """How many slots are on each node."""
        self._placements: dict[str, Placement] = {}
        self._rooms: FreeResources | None = None
        """What is free; None until it is asked for after the nodes have changed."""
        self._opened = 0
        self._no_room: set[Shape] = set()
        """Shapes for which there was none since anything changed."""

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._slots.values()))

    def __len__(self) -> int:
        return len(self._slots)

    def count(self, shape: Shape) -> int:
        """Return how many slots of this shape are open."""
        return self._shapes[shape]

    def count_idle(self, shape: Shape) -> int:
        return len(self._idle.get(shape, ()))

    def idle(self, shape: Shape) -> list[Slot]:
        """Slots of this shape that hold nothing, whether they have come up or not."""
        return list(self._idle.get(shape, {}).values())

    def idle_shapes(self) -> list[Shape]:
        """Shapes of which a slot is idle."""
        return [shape for shape, slots in self._idle.items() if slots]

    def update(self, nodes: tuple[Node, ...], bad: Collection[str]) -> None:
        """What the cluster consists of now: the same tuple until something may have changed."""
        now = time.monotonic()
        over = [node for node, until in self._excluded.items() if until < now]
        for node in over:
            del self._excluded[node]
        if (nodes is not self._nodes and nodes != self._nodes) or bad != self._bad or over:
            self._memory = {node.node_id: node.memory_bytes for node in nodes}
            self._changed()
        self._nodes, self._bad = nodes, bad

    def has_nodes_of(self, slot: Slot) -> bool:
        """Whether all of its nodes are still there."""
        return self._memory.keys() >= set(slot.nodes)

    def never_fits(self, shape: Shape) -> str | None:
        return never_fits(shape, self._nodes, self._spec.name)

    def open(self, shape: Shape, most: int) -> None:
        """Open up to `most` slots of this shape, as many as fit."""
        if most <= 0 or shape in self._no_room:
            return
        left = most
        if self._rooms is None:
            self._rooms = self._free()
        strategy = self._spec.distributed.placement
        while left and self._may_open_another() and (placement := self._rooms.place(shape, strategy)):
            self._open(placement)
            left -= 1
        if left:
            self._no_room.add(shape)

    def close(self, slot: Slot, *, graceful: bool) -> None:
        slot.client.close(graceful=graceful)
        self._arrivals.forget(slot)
        del self._slots[slot.name]
        self._idle[slot.shape].pop(slot.name, None)
        self._shapes[slot.shape] -= 1
        self._beside.subtract(set(slot.nodes))
        slot.turned = None
        placement = self._placements.pop(slot.name)
        if self._rooms is not None:
            self._rooms.give_back(placement)
        self._no_room.clear()

    def close_all(self) -> None:
        for slot in self:
            self.close(slot, graceful=False)

    def exclude_node(self, slot: Slot) -> None:
        """Close a slot that does not come up, and open none on its nodes for a while."""
        for node in slot.nodes:
            self._excluded[node] = time.monotonic() + EXCLUDED_SECONDS
        self.close(slot, graceful=False)
        self._changed()

    def memory_limit(self, slot: Slot) -> float:
        """Bytes of its own that a slot's process may hold."""
        limit = self._spec.slots.memory_limit
        if limit != "auto":
            return limit
        node = slot.nodes[0]
        return 0.8 * self._memory.get(node, 0.0) / max(1, self._beside[node])

    def _changed(self) -> None:
        """Another set of nodes can be used."""
        self._no_room.clear()
        self._rooms = None

    def _free(self) -> FreeResources:
        usable = [node for node in self._nodes if node.node_id not in self._bad and node.node_id not in self._excluded]
        return FreeResources(usable, self._placements.values())

    def _may_open_another(self) -> bool:
        most = self._spec.slots.most
        return most == "auto" or len(self._slots) < most

    def _open(self, placement: Placement) -> None:
        self._opened += 1
        shape = placement.shape
        name = f"{'group' if shape.workers > 1 else 'slot'}-{self._opened}"
        client: SlotClient
        if shape.workers > 1:
            client = WorkerGroup(name, placement, self._run_trial, self._spec.distributed)
        else:
            client = SlotProcessClient(name, placement, self._run_trial)
        slot = Slot(name, shape, client, placement.nodes, turned=self._turned)
        slot.reference = self._arrivals.expect(client.connect(), slot)
        self._slots[name], self._placements[name] = slot, placement
        self._shapes[shape] += 1
        self._beside.update(set(placement.nodes))
        self._turned(slot)

    def _turned(self, slot: Slot) -> None:
        """A slot has become idle, or has something to do."""
        idle = self._idle.setdefault(slot.shape, {})
        if slot.idle:
            idle[slot.name] = slot
        else:
            idle.pop(slot.name, None)
