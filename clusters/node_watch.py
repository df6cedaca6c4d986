"""Looks at the machines of a cluster that others run, beside the sweep: a head that hangs must not hang the sweep too.

And who uses such a cluster, as far as Ray tells: for a sweep that waits for room; and what every node says when it is asked.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any, Final

import ray
from ray._private.state import state
from ray.autoscaler.sdk import request_resources
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clusters.errors import last_line
from clusters.nodes import Node, NodeState, looked_at
from clusters.ray_thread import RayThread
from clusters.spec import ClusterSpec

_LONGEST: Final = 120
"""Characters of another's command line."""
_OF_RAY: Final = "ray::"
"""How Ray names its own processes; a driver that somebody has started has a command."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A moment of the cluster."""

    free_cpus: float
    cpus: float
    free_gpus: float
    gpus: float
    waiting: int
    """Processes of ours, and groups of such, that Ray has no room for now."""
    holders: tuple[str, ...]
    """Who else has a driver there, or actors, in words."""


def usage_now() -> Usage:
    """Asks the head. Raises what Ray raises."""
    own = ray.get_runtime_context().get_job_id()
    actors: list[dict[str, Any]] = list(state.actor_table(None).values())
    # Ray names a process once it has taken the room for it
    waiting = sum(
        actor["JobID"] == own and actor["State"] == "PENDING_CREATION" and not actor["Pid"] for actor in actors
    )
    groups: dict[str, dict[str, Any]] = state.placement_group_table()  # type: ignore[no-untyped-call]
    free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    jobs: list[dict[str, Any]] = state.job_table()  # type: ignore[no-untyped-call]
    return Usage(
        free_cpus=free.get("CPU", 0.0),
        cpus=there.get("CPU", 0.0),
        free_gpus=free.get("GPU", 0.0),
        gpus=there.get("GPU", 0.0),
        waiting=waiting + sum(group["state"] == "PENDING" for group in groups.values()),
        holders=tuple(_holders(own, actors, jobs)),
    )


def _holders(own: str, actors: list[dict[str, Any]], jobs: list[dict[str, Any]]) -> list[str]:
    """Those with most actors first; a job without any may run tasks, of which Ray's head keeps no list.

    Ray's own are left out: what supervises a job that was submitted, this sweep's too, is an actor of a job of Ray's.
    """
    of_ray = {job["JobID"] for job in jobs if job["Entrypoint"].startswith(_OF_RAY)}
    left_out = {own, *of_ray}
    live = {job["JobID"]: job for job in jobs if not job["IsDead"] and job["JobID"] not in left_out}
    classes: dict[str, Counter[str]] = {job_id: Counter() for job_id in live}
    for actor in actors:
        if actor["Pid"] and actor["State"] != "DEAD" and actor["JobID"] not in left_out:
            classes.setdefault(actor["JobID"], Counter())[actor["ActorClassName"]] += 1
    order = sorted(classes, key=lambda job_id: (-classes[job_id].total(), job_id))
    return [_in_words(job_id, live.get(job_id), classes[job_id]) for job_id in order]


def _in_words(job_id: str, job: dict[str, Any] | None, classes: Counter[str]) -> str:
    names = ", ".join(f"{count} {name}" for name, count in classes.most_common(3))
    holds = f": {classes.total()} actor{'s' * (classes.total() != 1)} ({names})" if classes else ""
    if job is None:
        return f"job {job_id}, whose driver is gone{holds}"
    since = datetime.fromtimestamp(job["StartTime"] / 1000, UTC)
    driver = f"process {job['DriverPid']} on {job['DriverIPAddress']}, since {since:%Y-%m-%d %H:%M} UTC"
    return f"job {job_id} (`{shorten(job['Entrypoint'], _LONGEST, placeholder=' ...')}`, {driver}){holds}"


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


PATIENCE: Final = 60.0
"""Seconds in which all nodes answer; the first worker of a node has to be started, and imports torch."""


@dataclass(frozen=True, slots=True)
class Probed:
    """A node, and what it says of itself."""

    node: Node
    state: NodeState | None
    """None where it cannot answer."""
    failure: str
    """Why it cannot."""
    skew: float
    """Seconds by which its clock is ahead of this machine's, as well as that can be told."""


def probe(nodes: tuple[Node, ...], spec: ClusterSpec) -> Iterator[Probed]:
    """Ask every node, in parallel. Raises nothing: a node that cannot answer is an answer."""
    asked = []
    for node in nodes:
        strategy = NodeAffinitySchedulingStrategy(node_id=node.node_id, soft=False)
        task = ray.remote(looked_at).options(num_cpus=0, max_retries=0, scheduling_strategy=strategy)
        asked.append(task.remote(spec.data, spec.cache))
    ends = time.monotonic() + PATIENCE
    for node, reference in zip(nodes, asked, strict=True):
        yield _answer(node, reference, max(0.1, ends - time.monotonic()))


def _answer(node: Node, reference: Any, patience: float) -> Probed:
    try:
        state: NodeState = ray.get(reference, timeout=patience)
    except Exception as error:  # noqa: BLE001 - it is reported as the node's failure
        return Probed(node, None, last_line(error), 0.0)
    # answers are fetched one after another: a clock that is behind may only have been read a while ago
    return Probed(node, state, "", max(0.0, state.clock - time.time()))
