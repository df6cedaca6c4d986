"""A process that imports everything once, and forks: its children have it too, and share its memory.

`python -m orchestrator.engine.fork_server LISTENER LINE FOLDER` accepts askers (`orchestrator.engine.forks`) at the socket
LISTENER. It ends, with all that it has forked, when LINE is closed: with the process that has started it, however that ends.

It must be fit to be forked: it has one thread, computes nothing, and leaves CUDA alone, which does not work in a fork.
"""

import ctypes
import gc
import os
import pickle
import select
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PATIENCE: Final = 10.0
"""Seconds that an asker is given to say what it asks for; the others wait meanwhile."""
MAX_DESCRIPTORS: Final = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What a fork is to do."""

    call: bytes
    """Pickled, and read in the fork alone: a function, and its arguments after the descriptors."""
    environment: dict[str, str]
    """Of the asker. What it does not have stays as it is here."""
    path: list[str]


@dataclass(slots=True)
class _Child:
    asker: socket.socket
    pid: int
    exit: int
    """A descriptor that becomes readable when it has ended."""


class _Server:
    def __init__(self, listener: socket.socket, line: socket.socket) -> None:
        self._listener, self._line = listener, line
        self._children: dict[int, _Child] = {}
        """By both of their descriptors."""
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._poll.register(line, select.POLLIN)

    def serve(self) -> Callable[[], object] | None:
        """Return in each fork, with what it is to do, and None here once the line is closed."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._line.fileno():
                    for pid in {child.pid for child in self._children.values()}:
                        _kill(pid)
                    return None
                if descriptor == self._listener.fileno():
                    with suppress(OSError, EOFError):
                        if (call := self._accept()) is not None:
                            return call
                elif descriptor not in self._children:
                    continue  # it went with its other descriptor
                elif descriptor == (child := self._children[descriptor]).exit:
                    self._bury(child)
                else:  # its asker hangs up
                    self._poll.unregister(descriptor)
                    _kill(child.pid)

    def _accept(self) -> Callable[[], object] | None:
        """Fork for an asker. Raises OSError, EOFError where it goes away."""
        asker, _ = self._listener.accept()
        try:
            asker.settimeout(_PATIENCE)
            request, descriptors = _asked(asker)
            pid = os.fork()
        except BaseException:
            asker.close()
            raise
        if not pid:
            self._close(asker)
            return lambda: _become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        child = _Child(asker, pid, os.pidfd_open(pid))
        self._children |= {asker.fileno(): child, child.exit: child}
        self._poll.register(asker, 0)  # that it hangs up is always told
        self._poll.register(child.exit, select.POLLIN)
        asker.sendall(f"{pid}\n".encode())
        return None

    def _bury(self, child: _Child) -> None:
        """A fork has ended: what it has started goes too, and its asker is told."""
        _kill(child.pid)
        _, status = os.waitpid(child.pid, 0)
        with suppress(OSError):
            child.asker.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        for descriptor in (child.asker.fileno(), child.exit):
            with suppress(KeyError):  # the asker has hung up
                self._poll.unregister(descriptor)
            del self._children[descriptor]
        os.close(child.exit)
        child.asker.close()

    def _close(self, asker: socket.socket) -> None:
        """Close, in a fork, what is this server's."""
        for child in {child.pid: child for child in self._children.values()}.values():
            child.asker.close()
            os.close(child.exit)
        for each in (asker, self._listener, self._line):
            each.close()


def _kill(pid: int) -> None:
    """The fork's own first: it may not have its group yet."""
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _asked(asker: socket.socket) -> tuple[Request, list[int]]:
    received, descriptors, _, _ = socket.recv_fds(asker, 8, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    try:
        received = _exactly(asker, 8, received)
        request: Request = pickle.loads(_exactly(asker, int.from_bytes(received, "big")))  # noqa: S301 - this user's # nosec B301
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return request, descriptors


def _exactly(asker: socket.socket, count: int, received: bytes = b"") -> bytes:
    while len(received) < count:
        part = asker.recv(count - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def _become(request: Request, descriptors: list[int]) -> None:
    os.setsid()  # it is killed with all that it has started
    os.environ.update(request.environment)
    sys.path[:] = request.path
    function, arguments = pickle.loads(request.call)  # noqa: S301 - as above # nosec B301
    function(*descriptors, *arguments)


def _die_with(parent: int) -> None:
    """Have the system kill this process when that one ends, whose child it is."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    listener, line = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    here = os.getpid()
    for each in (listener, line):
        os.set_inheritable(each.fileno(), False)
    import orchestrator.engine.attempt
    import orchestrator.engine.forked_process  # noqa: F401 - what slots need beside what their trials do
    from trainables.training.warm_up import warm_up

    warm_up()
    gc.collect()
    gc.freeze()  # a collection in a fork would write to every object, and so copy it
    call = _Server(listener, line).serve()
    if call is None:
        shutil.rmtree(sys.argv[3], ignore_errors=True)
        os._exit(0)
    _die_with(here)
    try:
        call()
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
