"""Starts Ray here or joins one that runs, notices when it is gone, and leaves nothing behind."""

import logging
import os
import shutil
import socket
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import ray

from clusters.errors import ClusterLost, ClusterUnreachable
from clusters.size import local_size
from clusters.spec import ClusterSpec

DISCONNECT_SECONDS: Final = 0.3
"""What this process takes to leave Ray, before Ray's own processes, started here, are ended."""
SHUTDOWN_SECONDS: Final = 5.0
"""What `ray.shutdown` is given in all. It ends its processes one after another, and waits for each that still lives."""
LOOK_SECONDS: Final = 0.25
"""Between two looks at Ray's processes."""
SILENCE_SECONDS: Final = 20.0
"""A remote head that accepts no connection for so long is lost."""
OBJECT_STORE_BYTES: Final = 128 * 2**20
"""Only orders and rows pass through it; data never does."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the cluster offers."""

    cpus: float
    gpus: float
    memory_bytes: float


class RayCluster:
    """A connection to Ray. Open it, ask it to `check` from time to time, close it.

    `environment.prepare_environment` comes first: Ray reads its environment when it is imported.
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec
        self._folder: Path | None = None
        self._started: list[psutil.Process] = []
        """What a local Ray consists of, workers apart: those are children of these."""
        self._vital: list[psutil.Process] = []
        self._last_answer = time.monotonic()
        self._last_look = 0.0
        self._head: tuple[str, int] | None = None

    def open(self) -> Capacity:
        """Connect. Raises ClusterUnreachable."""
        if self._spec.address == "local":
            self._start()
        else:
            self._join(self._spec.address)
        offered: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return Capacity(offered.get("CPU", 0.0), offered.get("GPU", 0.0), offered.get("memory", 0.0))

    def check(self) -> None:
        """Raise ClusterLost if Ray has gone. May be called at any rate: it looks a few times a second."""
        now = time.monotonic()
        if now - self._last_look < LOOK_SECONDS:
            return
        self._last_look = now
        if self._spec.address == "local":
            dead = [process.pid for process in self._vital if not _lives(process)]
            if dead:
                raise ClusterLost(f"Ray's own processes {dead} have died (killed, or the machine ran out of memory)")
        elif time.monotonic() - self._last_answer > SILENCE_SECONDS / 4:
            self._probe()

    def close(self) -> None:
        """Disconnect, and end what was started here."""
        ours = [process for started in self._started for process in (*_children(started), started)]
        ender = threading.Thread(target=ray.shutdown, daemon=True)
        ender.start()
        ender.join(DISCONNECT_SECONDS if ours else SHUTDOWN_SECONDS)
        for process in ours:
            _end(process)
        ender.join(SHUTDOWN_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        cpus, gpus = local_size(self._spec)
        self._folder = Path(tempfile.mkdtemp(prefix="orch-", dir="/tmp"))
        before = set(psutil.Process().children(recursive=True))
        try:
            ray.init(
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=True,
                logging_level=logging.ERROR,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(self._folder),
            )
        except Exception as error:
            raise ClusterUnreachable(f"Ray cannot be started here: {_last_line(error)}") from error
        finally:
            self._started = [process for process in psutil.Process().children(recursive=True) if process not in before]
        self._vital = [process for process in self._started if _name(process) in {"raylet", "gcs_server"}]

    def _join(self, address: str) -> None:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            hint = (
                ""
                if os.environ.get("RAY_AUTH_TOKEN")
                else " (RAY_AUTH_TOKEN is not set: a cluster with tokens refuses us)"
            )
            raise ClusterUnreachable(
                f"no Ray answers at {address}: {_last_line(error)}{hint}; a wrong token looks the same"
            ) from error
        host, port = ray.get_runtime_context().gcs_address.rsplit(":", 1)
        self._head = (host.strip("[]"), int(port))

    def _probe(self) -> None:
        assert self._head is not None
        try:
            socket.create_connection(self._head, timeout=1.0).close()
        except OSError as error:
            silent = time.monotonic() - self._last_answer
            if silent > SILENCE_SECONDS:
                raise ClusterLost(
                    f"the head at {self._head[0]}:{self._head[1]} has been silent for {silent:.0f} s: {error}"
                ) from error
        else:
            self._last_answer = time.monotonic()


def _last_line(error: Exception) -> str:
    """Ray's own messages bring a traceback along."""
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _end(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
