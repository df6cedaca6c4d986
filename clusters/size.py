"""How large this machine is. Imports no ray."""

import os

from clusters.devices import gpu_names
from clusters.nodes import Node
from clusters.spec import ClusterSpec


def local_size(spec: ClusterSpec) -> tuple[int, int]:
    """(CPUs, GPUs) that a Ray started here would offer."""
    cpus = len(os.sched_getaffinity(0)) if spec.cpus == "auto" else spec.cpus
    return cpus, len(gpu_names()) if spec.gpus == "auto" else spec.gpus


def local_nodes(spec: ClusterSpec) -> tuple[Node, ...]:
    """This machine, as the only node of a Ray started here."""
    cpus, gpus = local_size(spec)
    return (Node("local", "localhost", cpus, gpus, 0.0),)
