"""The machines of a cluster, as its sweep sees them. Imports no ray."""

from dataclasses import dataclass

NODE_LABEL = "ray.io/node-id"
"""The label by which Ray knows a node: a process is put on one node with it."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine that is there now."""

    node_id: str
    """Ray's own, hexadecimal; a node that comes back has another."""
    host: str
    """Its address."""
    cpus: float
    gpus: int
    memory_bytes: float
    """What Ray offers of its memory."""
