"""The machines of a cluster, as its sweep sees them. Imports no ray."""

import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from glob import glob
from pathlib import Path
from typing import Final

from clusters.errors import first_line
from clusters.spec import ClusterSpec

# The GPUs of this machine, as torch sees them, without torch in this process.

_SIGNS: Final = ("/dev/nvidia*", "/dev/nvhost*", "/dev/nvmap", "/dev/kfd", "/dev/dxg")
"""NVIDIA's, a Jetson's, AMD's, and those of Linux within Windows: where none is, no torch finds a GPU."""
_ASK: Final = (
    "import json; from torch import cuda;"
    " print(json.dumps([cuda.get_device_name(number) for number in range(cuda.device_count())]))"
)


@cache
def gpu_names() -> tuple[str, ...]:
    """Return the name of each GPU that a trial started here would find.

    A process of its own is asked: torch takes 500 MB of the driver's memory, and a GPU's name a part of that GPU's.
    """
    if not any(glob(sign) for sign in _SIGNS):  # noqa: PTH207 - patterns of absolute paths
        return ()
    answer = subprocess.run([sys.executable, "-P", "-c", _ASK], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own text
    return tuple(json.loads(answer.stdout.splitlines()[-1]))


# What a node says of itself. Imports no ray: `looked_at` is carried out on the node.


@dataclass(frozen=True, slots=True)
class NodeState:
    """What `orch doctor` wants to know of a node."""

    host: str
    python: str
    torch: str | None
    """Its version; None where it cannot be imported."""
    failure: str
    """Why it cannot."""
    gpus: int
    """That torch sees."""
    data: bool
    """Whether the data folder is there; true where none is asked for."""
    cache: str
    """Why decoded arrays cannot be kept there; empty where they can."""
    clock: float
    """Seconds since 1970."""


def looked_at(data: str | None, cache: str | None) -> NodeState:
    """Examine this machine."""
    version, failure, gpus = None, "", 0
    try:
        import torch

        version, gpus = str(torch.__version__), torch.cuda.device_count()
    except Exception as error:  # noqa: BLE001 - whatever keeps torch from being imported is what the user has to know
        failure = first_line(error)
    there = data is None or Path(data).is_dir()
    host, python = socket.gethostname(), platform.python_version()
    return NodeState(host, python, version, failure, gpus, there, unwritable(cache), time.time())


def unwritable(folder: str | None) -> str:
    """Return why nothing can be written to a folder that is there or could be made; empty where it can."""
    if folder is None:
        return ""
    there = Path(folder)
    try:
        path = there.expanduser()
        there = next(parent for parent in (path, *path.parents) if parent.exists())
        with tempfile.NamedTemporaryFile(dir=there) as file:
            os.write(file.fileno(), b"orch")
    except (OSError, RuntimeError) as error:  # RuntimeError: the home of a user who has none
        return f"{there}: {getattr(error, 'strerror', None) or error}"
    return ""


NODE_LABEL = "ray.io/node-id"
"""The label by which Ray knows a node: a process is put on one node with it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that is there now."""

    node_id: str
    """Ray's own, hexadecimal; a node that comes back has another."""
    host: str
    """Its address."""
    cpus: float
    gpus: int
    memory_bytes: float
    """What Ray offers of its memory."""


# How large this machine is. Imports no ray.


def local_size(spec: ClusterSpec) -> tuple[int, int]:
    """(CPUs, GPUs) that a Ray started here would offer."""
    cpus = len(os.sched_getaffinity(0)) if spec.cpus == "auto" else spec.cpus
    return cpus, len(gpu_names()) if spec.gpus == "auto" else spec.gpus


def local_nodes(spec: ClusterSpec) -> tuple[Node, ...]:
    """Return this machine, as the only node of a Ray started here."""
    cpus, gpus = local_size(spec)
    return (Node("local", "localhost", cpus, gpus, 0.0),)
