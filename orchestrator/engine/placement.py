"""Which node each worker of a slot goes to. Pure: nodes and slots in, a choice out.

The engine accounts for CPUs and GPUs itself, node by node and device by device, and opens a slot only where it fits:
nothing ever waits for resources that another waits to be given back, so single slots and worker groups cannot deadlock.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from clusters.nodes import Node
from orchestrator.engine import Shape
from orchestrator.text import counted

Strategy = Literal["pack", "spread"]

_CLOSE: Final = 1e-9
"""Shares of a GPU are floating-point numbers."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A slot where it is: the node of each of its workers."""

    shape: Shape
    nodes: tuple[str, ...]


class FreeResources:
    """What is free on each node, while slots come and go."""

    def __init__(self, nodes: Iterable[Node], placements: Iterable[Placement]) -> None:
        self._rooms = {node.node_id: _NodeResources(node) for node in nodes}
        self._held: dict[str, list[Placement]] = {node_id: [] for node_id in self._rooms}
        """The slots on each node, the oldest first."""
        for placement in placements:
            self._hold(placement)
            for node_id in placement.nodes:
                if node_id in self._rooms:  # else the node has gone, and what it held with it
                    self._rooms[node_id].take(placement.shape)

    def place(self, shape: Shape, strategy: Strategy = "pack") -> Placement | None:
        """Take the room for a slot of this shape; None where it does not fit now.

        pack: on as few nodes as can be; spread: on as many. A slot of one worker goes where most CPUs are free.
        """
        trial = dict(self._rooms)
        chosen: list[str] = []
        for rank in range(shape.workers):
            node_id = _choose(trial, shape, chosen, shape.workers - rank, strategy)
            if node_id is None:
                return None
            trial[node_id] = trial[node_id].copy()
            trial[node_id].take(shape)
            chosen.append(node_id)
        self._rooms = trial
        placement = Placement(shape, tuple(sorted(chosen, key=chosen.index)))
        self._hold(placement)
        return placement

    def give_back(self, placement: Placement) -> None:
        """Its slot is closed. Its nodes are counted anew: who came before decides which devices it had."""
        for node_id in self._rooms.keys() & set(placement.nodes):
            self._held[node_id] = [other for other in self._held[node_id] if other is not placement]
            room = self._rooms[node_id] = _NodeResources(self._rooms[node_id].node)
            for other in self._held[node_id]:
                for _ in range(other.nodes.count(node_id)):
                    room.take(other.shape)

    def _hold(self, placement: Placement) -> None:
        for node_id in self._held.keys() & set(placement.nodes):
            self._held[node_id].append(placement)


def never_fits(shape: Shape, nodes: Sequence[Node], cluster: str) -> str | None:
    """Return why a slot of this shape fits on no node, nor over all of them, even when they are idle; None where it does."""
    if FreeResources(nodes, ()).place(shape) is not None:
        return None
    wanted = f"{shape.cpus:g} CPUs and {shape.gpus:g} GPUs" + (
        f" for each of {shape.workers} workers" * (shape.workers > 1)
    )
    there = " and ".join(dict.fromkeys(f"{node.cpus:g} CPUs, {node.gpus} GPUs" for node in nodes)) or "no node"
    return f"it needs {wanted}; {cluster!r} has {counted(len(nodes), 'node')} of {there}"


class _NodeResources:
    """What is free on one node."""

    __slots__ = ("cpus", "devices", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.cpus = node.cpus
        self.devices = [1.0] * node.gpus

    def copy(self) -> "_NodeResources":
        other = _NodeResources(self.node)
        other.cpus, other.devices = self.cpus, list(self.devices)
        return other

    def fits(self, shape: Shape) -> int:
        """Return how many workers of such a slot fit beside each other."""
        if shape.alone and not shape.gpus:
            return int(self.cpus >= self.node.cpus - _CLOSE and self.cpus >= shape.cpus)
        by_cpu = int((self.cpus + _CLOSE) / shape.cpus)
        if not shape.gpus:
            return by_cpu
        if shape.gpus < 1:
            return min(by_cpu, sum(int((free + _CLOSE) / shape.gpus) for free in self.devices))
        return min(by_cpu, sum(free >= 1 - _CLOSE for free in self.devices) // math.ceil(shape.gpus - _CLOSE))

    def take(self, shape: Shape) -> None:
        """Take what one worker of a slot needs; also where it does not fit, since a node may have shrunk under its slots."""
        self.cpus -= self.node.cpus if shape.alone and not shape.gpus else shape.cpus
        if not shape.gpus or not self.devices:
            return
        if shape.gpus < 1:  # the fullest device that has room, as Ray does
            fitting = [free for free in self.devices if free >= shape.gpus - _CLOSE] or self.devices
            self.devices[self.devices.index(min(fitting))] -= shape.gpus
            return
        for _ in range(math.ceil(shape.gpus - _CLOSE)):
            self.devices[self.devices.index(max(self.devices))] = 0.0


def _choose(
    rooms: dict[str, _NodeResources], shape: Shape, chosen: Sequence[str], left: int, strategy: Strategy
) -> str | None:
    """The node for the next worker of a slot, of which `left` are still to be placed."""
    fitting = {node_id: room.fits(shape) for node_id, room in rooms.items()}
    fitting = {node_id: count for node_id, count in fitting.items() if count}
    if not fitting:
        return None
    rank: Callable[[str], tuple[float, ...]]
    if strategy == "spread":

        def rank(node_id: str) -> tuple[float, ...]:
            return (-chosen.count(node_id), rooms[node_id].cpus)
    else:

        def rank(node_id: str) -> tuple[float, ...]:
            # where its fellows are; else where all that are left fit, or else most of them
            return (chosen.count(node_id) > 0, min(fitting[node_id], left), rooms[node_id].cpus)

    return max(fitting, key=rank)
