"""Asks for processes that have everything imported: forks of a process that has (`orchestrator.engine.fork_server`).

Importing what trains costs a process some 2 CPU-seconds and 300 MB; a fork has it at once, and shares its memory.
"""

import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Self

from clusters.errors import NoTemporaryFolder
from clusters.signals import ENDING, children_deaf_to
from clusters.temporary import temporary_folder
from orchestrator.engine.fork_server import Request

_START_SECONDS: Final = 120.0
"""What the server is given to come up: torch is large, and a file system may be slow."""
_END_SECONDS: Final = 0.5
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""A process is forked with one of its threads, and the others' locks stay closed. A slot sets its own number."""


class ForkServer:
    """A fork server of this machine. It ends with this process, at the latest."""

    def __init__(self) -> None:
        """Begin to start it: it can be asked at once, and answers when it is there. Raises OSError."""
        try:
            folder = temporary_folder("orch-fork-")
        except NoTemporaryFolder as error:
            raise OSError(str(error)) from error
        self._folder: Final = folder
        self.address: Final = str(folder / "s")
        self._line, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, sys.path))  # a component may come from anywhere that this process finds
        with theirs, socket.socket(socket.AF_UNIX) as listener, children_deaf_to(ENDING):
            listener.bind(self.address)
            listener.listen(1024)
            command = [sys.executable, "-P", "-m", "orchestrator.engine.fork_server"]
            numbers = [listener.fileno(), theirs.fileno()]
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, *map(str, numbers), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=numbers,
                env=os.environ | _ONE_THREAD | {"PYTHONPATH": path},
                start_new_session=True,
            )

    def close(self) -> None:
        """End it, with all that it has forked."""
        self._line.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:  # it imports still
            self._process.kill()
            self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)


class Fork:
    """A process that was forked for this one, and is killed with it, or by `close`."""

    def __init__(
        self,
        address: str,
        function: Callable[..., object],
        arguments: Sequence[object],
        descriptors: Sequence[int],
        dumps: Callable[[object], bytes] = pickle.dumps,
    ) -> None:
        """Have it call `function(*descriptors, *arguments)`. Raises OSError where there is no server (any more)."""
        call = dumps((function, tuple(arguments)))
        request = pickle.dumps(Request(call, dict(os.environ), list(sys.path)))
        self._line = socket.socket(socket.AF_UNIX)
        try:
            self._line.settimeout(_START_SECONDS)
            self._line.connect(address)
            socket.send_fds(self._line, [len(request).to_bytes(8, "big")], list(descriptors))
            self._line.sendall(request)
            self._answers = self._line.makefile("rb")
            if not (answer := self._answers.readline()):
                raise ConnectionError("the fork server has ended")
            self.pid: Final = int(answer)
        except OSError:
            self._line.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def code(self, seconds: float) -> int | None:
        """How it has ended, as `subprocess` has it; None where it has not within so many seconds, or nobody knows."""
        self._line.settimeout(seconds)
        with suppress(OSError, ValueError):
            return int(self._answers.readline())
        return None

    def close(self) -> None:
        """Have it killed, with all that it has started."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._answers.close()
        self._line.close()


# The one that this process's slots fork from, as does what else it has no torch for.


class _Scope:
    """Within it there is one, once it has been asked for."""

    def __init__(self) -> None:
        self.of_slots = False
        self._server: ForkServer | None = None

    @property
    def address(self) -> str:
        """Raises OSError."""
        if self._server is None:
            self._server = ForkServer()
        return self._server.address

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


_scopes: list[_Scope] = []


@contextmanager
def fork_server(*, of_slots: bool = False) -> Iterator[None]:
    """What asks for forks within this shares one server, which is started when it is first asked for, and ends with it.

    of_slots: whether slots that are started within this, on this machine, are forks too.
    """
    if _scopes:
        scope, before = _scopes[-1], _scopes[-1].of_slots
        scope.of_slots = of_slots or before
        try:
            yield
        finally:
            scope.of_slots = before
        return
    _scopes.append(_Scope())
    try:
        with fork_server(of_slots=of_slots):
            yield
    finally:
        _scopes.pop().close()


def address() -> str:
    """Where it is asked. Where none runs yet, one begins to start. Raises OSError."""
    if not _scopes:
        raise OSError("no fork server is wanted here")
    return _scopes[-1].address


def begin() -> None:
    """Have it start beside what is done meanwhile. Whether it can be started shows where it is needed."""
    with suppress(OSError):
        address()


def address_for_slots() -> str | None:
    """The same for a slot; None where slots are no forks, or there is no server."""
    if not _scopes or not _scopes[-1].of_slots:
        return None
    with suppress(OSError):
        return address()
    return None
