"""The fork of a slot (`orchestrator.engine.forked_slot`): answers the actor's calls. Free of Ray."""

import pickle
import queue
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from orchestrator.engine import RunTrial, Shape
from orchestrator.engine.slot_process import SlotProcess

_CALLS: Final = 2
"""Calls that are answered side by side: an exchange that waits, and a submission."""


class Line:
    """A socket that objects are sent through, each whole."""

    def __init__(self, line: socket.socket) -> None:
        self._line, self._sending = line, threading.Lock()

    def send(self, message: object) -> None:
        """Raises OSError."""
        data = pickle.dumps(message)
        with self._sending:
            self._line.sendall(len(data).to_bytes(8, "big") + data)

    def receive(self) -> Any:
        """Raises OSError, EOFError."""
        return pickle.loads(self._exactly(int.from_bytes(self._exactly(8), "big")))  # noqa: S301 - of one of our own # nosec B301

    def _exactly(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            part = self._line.recv(min(count - len(received), 1 << 20))
            if not part:
                raise EOFError
            received += part
        return bytes(received)


def serve(descriptor: int, name: str, shape: Shape, run_trial: RunTrial) -> None:
    """Be the slot, in the fork, until the actor is gone."""
    line = Line(socket.socket(fileno=descriptor))
    calls: queue.SimpleQueue[tuple[int, str, bytes]] = queue.SimpleQueue()
    slot: Future[SlotProcess] = Future()
    for _ in range(_CALLS):  # before the slot looks at which threads there are
        threading.Thread(target=_answer_calls, args=(line, calls, slot), daemon=True).start()
    slot.set_result(SlotProcess(name, shape, run_trial))
    with suppress(OSError, EOFError):
        while True:
            calls.put(line.receive())


def _answer_calls(line: Line, calls: "queue.SimpleQueue[tuple[int, str, bytes]]", slot: "Future[SlotProcess]") -> None:
    with suppress(OSError):
        while True:
            number, method, arguments = calls.get()
            answer, error = b"", None
            try:
                function: Callable[..., object] = getattr(slot.result(), method)
                answer = pickle.dumps(function(*pickle.loads(arguments)))  # noqa: S301 - the actor's # nosec B301
            except Exception as raised:  # noqa: BLE001 - the driver is told
                error = f"{type(raised).__name__}: {raised}"
            line.send((number, error, answer))
