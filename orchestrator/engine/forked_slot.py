"""A slot in two processes: the actor, which Ray knows and counts, and its fork, which trains.

The actor imports nothing heavy: it hands the driver's calls on, and the answers back. It ends the fork as it ends; a fork
that ends is a slot that is lost.
"""

import itertools
import pickle
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from ray import cloudpickle

from orchestrator.engine import ExchangeResult, RunTrial, Shape
from orchestrator.engine.forked_process import Line, serve
from orchestrator.engine.forks import Fork
from orchestrator.engine.isolated import death_message
from orchestrator.engine.slot_process import SlotProcess
from trainables.spec import TrialTask

_DYING_SECONDS: Final = 5.0
"""What the fork server is given to tell how a fork has ended."""


def _dumps(arguments: object) -> bytes:
    """Functions of a script travel by value, as Ray has brought them here."""
    pickled: bytes = cloudpickle.dumps(arguments)  # type: ignore[no-untyped-call]
    return pickled


class ForkGone(Exception):
    """The fork has ended, or does not speak any more."""


class SlotActor:
    """What Ray makes an actor of, with the methods of `SlotProcess`."""

    def __init__(self, name: str, shape: Shape, run_trial: RunTrial, address: str) -> None:
        """address: of the fork server; without one that answers, this process becomes what would have been forked."""
        self._remote: _Remote | None = None
        try:
            self._remote = _Remote(address, (name, shape, run_trial))
        except OSError:
            self._here = SlotProcess(name, shape, run_trial)

    def exchange(self, trial_tasks: Sequence[TrialTask], timeout: float) -> ExchangeResult:
        """Leave tasks and fetch all events; waits up to `timeout` seconds while there is none."""
        if self._remote is None:
            return self._here.exchange(trial_tasks, timeout)
        try:
            result: ExchangeResult = self._remote.call("exchange", trial_tasks, timeout)
        except ForkGone:
            return ExchangeResult([], 0, usable=False, failure=f"the worker's process died: {self._remote.death()}")
        return result

    def submit(self, trial_tasks: Sequence[TrialTask]) -> None:
        self._told("submit", trial_tasks)

    def stop(self, trial_id: str) -> None:
        self._told("stop", trial_id)

    def withdraw(self) -> list[str]:
        withdrawn: list[str] | None = self._told("withdraw")
        return withdrawn or []

    def _told(self, method: str, *arguments: object) -> Any:
        """A fork that is gone needs no telling: the exchange tells of it."""
        if self._remote is None:
            return getattr(self._here, method)(*arguments)
        with suppress(ForkGone):
            return self._remote.call(method, *arguments)
        return None


class _Remote:
    """The fork, and the calls that wait for its answers."""

    def __init__(self, address: str, arguments: tuple[object, ...]) -> None:
        """Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._fork = Fork(address, serve, arguments, [theirs.fileno()], _dumps)
            except OSError:
                ours.close()
                raise
        self._line = Line(ours)
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._gone = False
        threading.Thread(target=self._read, name="answers", daemon=True).start()

    def call(self, method: str, *arguments: object) -> Any:
        """Raises ForkGone, and RuntimeError with the text of what the call raised there."""
        future: Future[Any] = Future()
        number = next(self._numbers)
        with self._lock:
            if self._gone:
                raise ForkGone
            self._waiting[number] = future
        with suppress(OSError):  # then the reader ends too, and tells
            self._line.send((number, method, _dumps(arguments)))
        return future.result()

    def death(self) -> str:
        return death_message(self._fork.code(_DYING_SECONDS))

    def _read(self) -> None:
        with suppress(OSError, EOFError, pickle.UnpicklingError):
            while True:
                number, error, answer = self._line.receive()
                future = self._waiting.pop(number)
                if error is None:
                    future.set_result(pickle.loads(answer))  # noqa: S301 - our own fork's # nosec B301
                else:
                    future.set_exception(RuntimeError(error))
        with self._lock:
            self._gone = True
        for future in self._waiting.values():
            future.set_exception(ForkGone())
