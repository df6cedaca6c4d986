"""Looks at the machines of a cluster that others run, beside the sweep: a head that hangs must not hang the sweep too."""

import contextlib
import threading
from typing import Any, Final

import ray
from ray.autoscaler.sdk import request_resources

from clusters.nodes import Node
from clusters.ray_thread import RayThread
from clusters.usage import Usage, usage_now

PERIOD: Final = 2.0
"""Seconds between two looks."""
LAST_LOOK_SECONDS: Final = 3.0
"""What a look that is under way is given to end."""

Workers = tuple[tuple[float, float], ...]
"""(CPUs, GPUs) of each."""


def nodes_now() -> tuple[Node, ...]:
    """The machines that are there, in an order that holds. Those that offer neither CPUs nor GPUs are left out."""
    found = (_node(entry) for entry in _entries() if entry["Alive"])
    return tuple(sorted((node for node in found if node.cpus or node.gpus), key=lambda node: node.node_id))


class NodeWatch:
    """A thread that keeps `nodes` fresh and passes on what the sweep would use."""

    def __init__(self) -> None:
        self.nodes = nodes_now()
        self._wanted: Workers = ()
        self._asked: Workers = ()
        self.usage: Usage | None = None
        """Of the last look, where `show_usage` came before it."""
        self._show_usage = False
        self._stop = threading.Event()
        self._thread = RayThread(target=self._run, name="node-watch", daemon=True)
        self._thread.start()

    def want(self, workers: Workers) -> None:
        """What an autoscaler should make room for: (CPUs, GPUs) of every worker that would run now."""
        self._wanted = workers

    def show_usage(self) -> None:
        """Look who else uses the cluster, at the next look."""
        self._show_usage = True

    def close(self) -> None:
        """Ask for nothing any more; Ray keeps the last word of a driver that is killed before it can say so."""
        self._stop.set()
        self._thread.join(LAST_LOOK_SECONDS)
        if self._asked and not self._thread.is_alive():  # else the head hangs, and would not hear it
            with contextlib.suppress(Exception):  # the cluster may be gone
                request_resources(bundles=[])

    def _run(self) -> None:
        while not self._stop.wait(PERIOD):
            with contextlib.suppress(Exception):  # whether the head still answers is RayCluster.check's question
                self.nodes = nodes_now()
                self.usage = usage_now() if self._show_usage else None
                self._show_usage = False
                if self._wanted != self._asked:
                    self._asked = self._wanted
                    request_resources(bundles=[{"CPU": cpus, "GPU": gpus} for cpus, gpus in self._asked])


def _entries() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return entries


def _node(entry: dict[str, Any]) -> Node:
    offered = entry["Resources"]
    cpus, gpus, memory = (offered.get(name, 0.0) for name in ("CPU", "GPU", "memory"))
    return Node(entry["NodeID"], entry["NodeManagerAddress"], cpus, int(gpus), memory)
