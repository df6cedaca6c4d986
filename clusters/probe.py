"""Looks at every node of a cluster that has been joined."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clusters.errors import last_line
from clusters.nodes import Node, NodeState, looked_at
from clusters.spec import ClusterSpec

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
