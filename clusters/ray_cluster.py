"""Starts Ray here or joins one that runs, notices when it is gone, and leaves nothing behind."""

import atexit
import logging
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psutil
import ray

from clusters.code import Code, lay_out
from clusters.errors import ClusterError, ClusterLost, ClusterUnreachable, last_line
from clusters.local_head import start_here
from clusters.node_watch import NodeWatch, Usage, Workers, nodes_now
from clusters.nodes import Node, local_size
from clusters.ray_thread import ray_is_waited_for
from clusters.reaper import Reaper
from clusters.signals import ENDING, children_deaf_to
from clusters.spec import ClusterSpec
from clusters.temporary import RayFolder, remove_abandoned, temporary_folder

# Joins a Ray that runs: as a driver on one of its machines, with our code sent along to the others.

KNOCK_SECONDS: Final = 5.0
"""In which the head accepts a connection. Ray itself would try for minutes."""


def join(spec: ClusterSpec, code: Code) -> tuple[str, int]:
    """Connect to the cluster at `spec.address`; where its head listens. Raises ClusterUnreachable, NoTemporaryFolder."""
    _knock(spec.address)
    _connect(spec, None)
    if spec.code == "send" or (spec.code == "auto" and not _alone()):
        # which nodes there are shows only once we have joined, and what travels has to be said as we join
        ray.shutdown()
        folder = temporary_folder("orch-code-")
        try:
            lay_out(code, folder)
            _connect(spec, {"working_dir": str(folder)})
        except ClusterError as error:
            raise ClusterUnreachable(str(error)) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    host, port = ray.get_runtime_context().gcs_address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def _connect(spec: ClusterSpec, runtime_env: dict[str, Any] | None) -> None:
    try:
        ray.init(address=spec.address, runtime_env=runtime_env, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        raise ClusterUnreachable(f"no Ray answers at {spec.address}: {last_line(error)}; {_hint()}") from error


def _knock(address: str) -> None:
    if address == "auto":
        return
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterUnreachable(
            f"nothing listens at {address}: {error}; correct the address, or start Ray there (`ray start --head`)"
        ) from error


def _hint() -> str:
    """Return what is most often wrong: Ray says the same of a token that is missing or wrong as of a head that is gone."""
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return "no token is known here, and a cluster with tokens refuses us: set token_file in the cluster file"
    return "check the token: a wrong one looks the same"


def _alone() -> bool:
    """Whether every node is this machine, where our code lies."""
    here = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    return {node.host for node in nodes_now()} <= here


DISCONNECT_SECONDS: Final = 0.3
"""What this process takes to leave Ray, before Ray's own processes, started here, are ended."""
SHUTDOWN_SECONDS: Final = 5.0
"""What `ray.shutdown` is given in all. It ends its processes one after another, and waits for each that still lives."""
WAITING_SECONDS: Final = 3.0
"""What threads that wait for Ray are given to see that they wait in vain."""
HEAR_SECONDS: Final = 0.01
"""For which a SIGTERM may meet no handler of ours while Ray is left."""
LOOK_SECONDS: Final = 0.25
"""Between two looks at Ray's processes."""
SILENCE_SECONDS: Final = 20.0
"""A remote head that accepts no connection for so long is lost."""
STARTS: Final = 2
"""Ray gives its own processes 30 s to come up, which a busy machine may exceed once."""
_TOO_SLOW: Final = "timed out during startup"
_NOT_FOR_RAY: Final = frozenset(ENDING) - {signal.SIGINT}
"""Who stops a sweep often signals all of its processes, as a terminal does that closes. Ray's, which see no SIGINT by
themselves, would end first, and `ray.init` would wait for them for a minute, with Python's lock held. SIGKILL ends them.
"""
OBJECT_STORE_BYTES: Final = 128 * 2**20
"""Only tasks and rows pass through it; data never does."""


class RayCluster:
    """A connection to Ray. Open it, ask it to `check` from time to time, close it.

    `environment.prepare_environment` comes first: Ray reads its environment when it is imported.
    """

    def __init__(self, spec: ClusterSpec, code: Code, seconds: Callable[[], float] = time.monotonic) -> None:
        """code: what a cluster of other machines is sent. seconds: a clock that stands still while this process does."""
        self._spec, self._code, self._seconds = spec, code, seconds
        self._folder: RayFolder | None = None
        self._reaper: Reaper | None = None
        self._started: list[psutil.Process] = []
        """What a local Ray consists of, workers apart: those are children of these."""
        self._vital: list[psutil.Process] = []
        self._local: object = None
        """The head that was started here."""
        self._nodes: tuple[Node, ...] = ()
        self._watch: NodeWatch | None = None
        self._last_answer = self._seconds()
        self._last_look = 0.0
        self._head: tuple[str, int] | None = None

    def open(self) -> None:
        """Connect. Raises ClusterUnreachable, NoTemporaryFolder, and, from Ray's own handler of SIGTERM, SystemExit."""
        with _handlers_put_back():
            if self._spec.access.starts_ray:
                self._start()
                self._nodes = nodes_now()
            else:
                self._head = join(self._spec, self._code)
                self._watch = NodeWatch()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The machines that are there now."""
        return self._nodes if self._watch is None else self._watch.nodes

    def usage(self) -> Usage | None:
        """Who uses the cluster, as it was a few seconds ago; None where it is ours alone, or not known yet: asked for again
        and again, it will be.
        """
        if self._watch is None:
            return None
        self._watch.show_usage()
        return self._watch.usage

    def want(self, workers: Workers) -> None:
        """Tell the cluster's autoscaler, if it has one, what would be used immediately: (CPUs, GPUs) of each worker."""
        if self._watch is not None:
            self._watch.want(workers)

    def check(self) -> None:
        """Raise ClusterLost if Ray has gone. May be called at any rate: it looks a few times a second."""
        now = self._seconds()
        if now - self._last_look < LOOK_SECONDS:
            return
        self._last_look = now
        if self._spec.access.starts_ray:
            dead = [process.pid for process in self._vital if not _lives(process)]
            if dead:
                raise ClusterLost(f"Ray's own processes {dead} have died (killed, or the machine ran out of memory)")
        elif now - self._last_answer > SILENCE_SECONDS / 4:
            self._probe()

    def close(self) -> None:
        """Disconnect, and end what was started here."""
        if self._watch is not None:
            self._watch.close()
        ours = [process for started in self._started for process in (*_children(started), started)]
        ender = threading.Thread(target=ray.shutdown, daemon=True)
        if ray_is_waited_for(WAITING_SECONDS):  # this process ends soon, and leaves Ray with it
            atexit.unregister(ray.shutdown)
        else:
            ender.start()
            _wait_and_hear(ender, DISCONNECT_SECONDS if ours else SHUTDOWN_SECONDS)
        for process in ours:
            _end(process)
        if ender.ident is not None:
            _wait_and_hear(ender, SHUTDOWN_SECONDS)
        if self._reaper is not None:
            self._reaper.dismiss()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def _start(self) -> None:
        cpus, gpus = local_size(self._spec)
        remove_abandoned()
        self._folder = RayFolder()
        self._reaper = Reaper(str(self._folder.path), self._folder.lock)
        for tries_left in reversed(range(STARTS)):
            try:
                self._init(cpus, gpus)
                break
            except Exception as error:
                if not tries_left or _TOO_SLOW not in str(error):
                    raise ClusterUnreachable(f"Ray cannot be started here: {last_line(error)}") from error
                ray.shutdown()
                for process in self._started:
                    _end(process)
        self._vital = [process for process in self._started if _name(process) in {"raylet", "gcs_server"}]

    def _init(self, cpus: int, gpus: int) -> None:
        """Raises what Ray raises."""
        assert self._folder is not None and self._reaper is not None
        before = set(psutil.Process().children(recursive=True))
        try:
            with self._reaper.marking(), children_deaf_to(_NOT_FOR_RAY):
                self._local = start_here(cpus, gpus, OBJECT_STORE_BYTES, str(self._folder.path))
        finally:
            self._started = [process for process in psutil.Process().children(recursive=True) if process not in before]

    def _probe(self) -> None:
        assert self._head is not None
        try:
            socket.create_connection(self._head, timeout=1.0).close()
        except OSError as error:
            silent = self._seconds() - self._last_answer
            if silent > SILENCE_SECONDS:
                raise ClusterLost(
                    f"the head at {self._head[0]}:{self._head[1]} has been silent for {silent:.0f} s: {error}"
                ) from error
        else:
            self._last_answer = self._seconds()


def _wait_and_hear(leaving: threading.Thread, seconds: float) -> None:
    """Wait for the thread that leaves Ray.

    As Ray 2.60 is left it sets SIGTERM to its default action, below Python, which still shows our handler. It is put back
    immediately, or the next SIGTERM would end the sweep in its last export.
    """
    ends = time.monotonic() + seconds
    while True:
        leaving.join(HEAR_SECONDS)
        handler = signal.getsignal(signal.SIGTERM)
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
        if not leaving.is_alive() or time.monotonic() > ends:
            return


@contextmanager
def _handlers_put_back() -> Iterator[None]:
    """`ray.init` handles SIGTERM by a SystemExit, wherever it comes: a second one while the first is obeyed, too."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


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
    with suppress(psutil.NoSuchProcess):
        process.kill()
