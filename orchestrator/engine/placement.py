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


@dataclass(frozen=True, slots=True)
class Need:
    """What each worker of a slot takes from its node."""

    cpus: float
    gpus: float
    """Below 1: a share of one device; else whole devices."""
    alone: bool
    """Nothing else may use what it works on: whole devices; on a node without one, the whole node."""


def need_of(shape: Shape) -> Need:
    return Need(shape.cpus, shape.gpus, shape.alone)


class FreeResources:
    """What is free on each node."""

    def __init__(self, nodes: Iterable[Node], placement: Iterable[Placement]) -> None:
        self._rooms = {node.node_id: _NodeResources(node) for node in nodes}
        for slot in placement:
            for node_id in slot.nodes:
                if node_id in self._rooms:  # else the node has gone, and what it held with it
                    self._rooms[node_id].take(need_of(slot.shape))

    def place(self, shape: Shape, strategy: Strategy = "pack") -> Placement | None:
        """Take the room for a slot of this shape; None where it does not fit now.

        pack: on as few nodes as can be; spread: on as many. A slot of one worker goes where most CPUs are free.
        """
        need = need_of(shape)
        trial = {node_id: room.copy() for node_id, room in self._rooms.items()}
        chosen: list[str] = []
        for rank in range(shape.workers):
            node_id = _choose(trial, need, chosen, shape.workers - rank, strategy)
            if node_id is None:
                return None
            trial[node_id].take(need)
            chosen.append(node_id)
        self._rooms = trial
        return Placement(shape, tuple(sorted(chosen, key=chosen.index)))


def never_fits(shape: Shape, nodes: Sequence[Node], cluster: str) -> str | None:
    """Return why a slot of this shape fits on no node, nor over all of them, even when they are idle; None where it does."""
    if FreeResources(nodes, ()).place(shape) is not None:
        return None
    need = need_of(shape)
    wanted = f"{need.cpus:g} CPUs and {need.gpus:g} GPUs" + (
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

    def fits(self, need: Need) -> int:
        """Return how many workers of this need fit beside each other."""
        if need.alone and not need.gpus:
            return int(self.cpus >= self.node.cpus - _CLOSE and self.cpus >= need.cpus)
        by_cpu = int((self.cpus + _CLOSE) / need.cpus)
        if not need.gpus:
            return by_cpu
        if need.gpus < 1:
            return min(by_cpu, sum(int((free + _CLOSE) / need.gpus) for free in self.devices))
        return min(by_cpu, sum(free >= 1 - _CLOSE for free in self.devices) // math.ceil(need.gpus - _CLOSE))

    def take(self, need: Need) -> None:
        """Take one worker's need; also where it does not fit, since a node may have shrunk under its slots."""
        self.cpus -= self.node.cpus if need.alone and not need.gpus else need.cpus
        if not need.gpus or not self.devices:
            return
        if need.gpus < 1:  # the fullest device that has room, as Ray does
            fitting = [free for free in self.devices if free >= need.gpus - _CLOSE] or self.devices
            self.devices[self.devices.index(min(fitting))] -= need.gpus
            return
        for _ in range(math.ceil(need.gpus - _CLOSE)):
            self.devices[self.devices.index(max(self.devices))] = 0.0


def _choose(
    rooms: dict[str, _NodeResources], need: Need, chosen: Sequence[str], left: int, strategy: Strategy
) -> str | None:
    """The node for the next worker of a slot, of which `left` are still to be placed."""
    fitting = {node_id: room.fits(need) for node_id, room in rooms.items()}
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
