"""The slots that are open, and where another one fits."""

import time
from collections.abc import Collection, Iterator
from typing import Final

from clusters.nodes import Node
from clusters.spec import ClusterSpec
from orchestrator.engine import RunTrial, Shape
from orchestrator.engine.placement import FreeResources, Placement, never_fits
from orchestrator.engine.slots import Slot, SlotClient
from orchestrator.engine.worker import SlotProcessClient
from orchestrator.engine.worker_group import WorkerGroup

EXCLUDED_SECONDS: Final = 60.0
"""A node on which a slot did not come up is left in peace for so long: others use it, or it is about to go."""


class Pool:
    """Opens and closes slots, and knows what each holds."""

    def __init__(self, spec: ClusterSpec, run_trial: RunTrial) -> None:
        self._spec, self._run_trial = spec, run_trial
        self._nodes: tuple[Node, ...] = ()
        self._bad: Collection[str] = ()
        self._excluded: dict[str, float] = {}
        self._slots: dict[str, Slot] = {}
        self._opened = 0
        self._no_room: set[Shape] = set()
        """Shapes for which there was none since anything changed."""

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._slots.values()))

    def __len__(self) -> int:
        return len(self._slots)

    def update(self, nodes: tuple[Node, ...], bad: Collection[str]) -> None:
        """What the cluster consists of now."""
        now = time.monotonic()
        over = [node for node, until in self._excluded.items() if until < now]
        if nodes != self._nodes or bad != self._bad or over:
            self._no_room.clear()
        for node in over:
            del self._excluded[node]
        self._nodes, self._bad = nodes, bad

    def has_nodes_of(self, slot: Slot) -> bool:
        """Whether all of its nodes are still there."""
        return {node.node_id for node in self._nodes}.issuperset(slot.nodes)

    def never_fits(self, shape: Shape) -> str | None:
        return never_fits(shape, self._nodes, self._spec.name)

    def open(self, shape: Shape, most: int) -> None:
        """Open up to `most` slots of this shape, as many as fit."""
        if most <= 0 or shape in self._no_room:
            return
        left = most
        rooms = self._rooms()
        while left and self._may_open_another() and (placement := rooms.place(shape, self._spec.distributed.placement)):
            self._open(placement)
            left -= 1
        if left:
            self._no_room.add(shape)

    def close(self, slot: Slot, *, graceful: bool) -> None:
        slot.client.close(graceful=graceful)
        del self._slots[slot.name]
        self._no_room.clear()

    def close_all(self) -> None:
        for slot in self:
            self.close(slot, graceful=False)

    def exclude_node(self, slot: Slot) -> None:
        """Close a slot that does not come up, and open none on its nodes for a while."""
        for node in slot.nodes:
            self._excluded[node] = time.monotonic() + EXCLUDED_SECONDS
        self.close(slot, graceful=False)

    def memory_limit(self, slot: Slot) -> float:
        """Bytes of its own that a slot's process may hold."""
        limit = self._spec.slots.memory_limit
        if limit != "auto":
            return limit
        node = slot.nodes[0]
        beside = sum(node in other.nodes for other in self._slots.values())
        return 0.8 * sum(there.memory_bytes for there in self._nodes if there.node_id == node) / max(1, beside)

    def _rooms(self) -> FreeResources:
        usable = [node for node in self._nodes if node.node_id not in self._bad and node.node_id not in self._excluded]
        held = [Placement(slot.shape, slot.nodes) for slot in self._slots.values()]
        return FreeResources(usable, held)

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
        slot = Slot(name, shape, client, placement.nodes)
        slot.reference = client.connect()
        self._slots[name] = slot
