"""What a node says of itself. Imports no ray: `looked_at` is carried out on the node."""

import os
import platform
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NodeState:
    """What `orch doctor` wants to know of a node."""

    host: str
    python: str
    torch: str | None
    """Its version; None where it cannot be imported."""
    trouble: str
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
    """This machine now."""
    version, trouble, gpus = None, "", 0
    try:
        import torch

        version, gpus = str(torch.__version__), torch.cuda.device_count()
    except Exception as error:  # noqa: BLE001 - whatever keeps torch from being imported is what the user has to know
        trouble = str(error).strip().partition("\n")[0]
    there = data is None or Path(data).is_dir()
    host, python = socket.gethostname(), platform.python_version()
    return NodeState(host, python, version, trouble, gpus, there, unwritable(cache), time.time())


def unwritable(folder: str | None) -> str:
    """Why nothing can be written to a folder that is there or could be made; empty where it can."""
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
