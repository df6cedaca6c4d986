"""Starts Ray on this machine with as few of its processes as it can do with.

`ray.init` starts some that a sweep has no use for: a monitor that would add machines, one that would print what workers
write, and the process of the dashboard, which comes without a dashboard too. They take two of a start's CPU-seconds, and the
third is waited for. `ray start` can be told to leave the monitors out (`--no-monitor`, `--include-log-monitor`): a head has
these settings, and is made here of the classes that both make it of. A Ray that has others in their place is started by
`ray.init`.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import ray

_LOOPBACK: Final = "127.0.0.1"


def start_here(cpus: int, gpus: int, object_store_bytes: int, folder: str) -> object:
    """Start a head and connect to it. Raises what Ray raises. What is returned is to be kept for as long as Ray runs."""
    with _taken_port() as port:
        settings: dict[str, Any] = {
            "num_cpus": cpus,
            "num_gpus": gpus,
            "include_dashboard": False,
            "dashboard_host": _LOOPBACK,
            "dashboard_port": port,
            "object_store_memory": object_store_bytes,
        }
        # else Ray tells of the port that is taken, as it has to be
        telling: dict[str, Any] = {"log_to_driver": False, "configure_logging": True, "logging_level": logging.CRITICAL}
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        try:
            from ray._private.node import Node
            from ray._private.parameter import RayParams

            lean = RayParams(**settings, temp_dir=folder, no_monitor=True)
            lean.include_log_monitor = False  # type: ignore[assignment]  # Ray's own hint is a text
        except (ImportError, TypeError):
            return ray.init(**settings, _temp_dir=folder, **telling)
        head = Node(lean, head=True, shutdown_at_exit=False, spawn_reaper=True, ray_init_cluster=True)
        ray.init(address=head.gcs_address, **telling)
        return head


@contextmanager
def _taken_port() -> Iterator[int]:
    """A port that is in use: where the dashboard's is, and none is wanted, Ray goes on without its process."""
    with socket.socket() as listener:
        listener.bind((_LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]
