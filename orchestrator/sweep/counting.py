"""Counts what models compute, in a process of its own: it builds them, and torch would take 500 MB of the driver's memory.

The process is a fork of the one that slots fork from, so torch is imported once for all of them.

A model's code may do anything as it is built: raise, end its process, hang, take all memory, print, or leave a copy of the
process. All of that is an unknown cost; the model's own trials tell what is wrong with it.
"""

import json
import os
import pickle
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final, Self

import psutil

from orchestrator.engine import forks
from orchestrator.engine.plain_record import error_line
from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.registry import registry
from trainables.task import task_named

COUNT_SECONDS: Final = 20.0
"""What one model is given to be built and counted. It may be more: then what is lost is a better order of the trials."""
_DYING_SECONDS: Final = 5.0
"""What the fork server is given to tell how it has ended."""
_MEMORY_SHARE: Final = 0.5
"""Part of the memory that is free which the process may take."""
_OWN: Final = "trainables."
_MAX: Final = 65_536
"""Bytes of an answer."""


class CannotCount(Exception):
    """What a model computes is not known, for this reason."""


class FlopCounter:
    """Operations of a forward pass over one example. The process starts with the first model that is asked of."""

    def __init__(self, note: Callable[[str], None]) -> None:
        """note: is told of each model that cannot be counted."""
        self._note = note
        self._forks = ExitStack()
        self._process: _Process | None = None
        self._unknown: set[str] = set()
        """Names of models that took the process with them, or all their time: none of their levels is tried again."""

    def __enter__(self) -> Self:
        self._forks.enter_context(forks.fork_server())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.end()
        self._forks.close()

    def count(self, model: Model, data: DataInfo) -> int | None:
        """Count a model's operations; None where they cannot be counted."""
        if model.name in self._unknown:
            return None
        try:
            return self._counted(model, data)
        except CannotCount as unknown:
            self._note(
                f"warning: the operations of {model.name} cannot be counted, so its trials are expected to take as long as"
                f" others: {unknown}"
            )
        return None

    def _counted(self, model: Model, data: DataInfo) -> int:
        if "torch" in sys.modules and _is_own(model, data):  # then it costs no more, and does nothing of all that
            return _answer(model, data)
        try:
            if self._process is None:
                self._process = _Process()
            answer = self._process.ask(model, data)
        except OSError as gone:  # a time-out is one
            self._unknown.add(model.name)
            late = isinstance(gone, TimeoutError)
            process, self._process = self._process, None
            ended = str(gone) if process is None else process.death(0.0 if late else _DYING_SECONDS)
            raise CannotCount(f"it took more than {COUNT_SECONDS:g} s" if late else ended) from gone
        if isinstance(answer, str):
            raise CannotCount(answer)
        return answer


class _Process:
    """The other process, and the socket between."""

    def __init__(self) -> None:
        """Raises OSError where it does not come up."""
        self._line, theirs = socket.socketpair()
        with theirs:
            try:
                self._fork = forks.Fork(forks.address(), serve, (), [theirs.fileno()])
            except OSError:
                self._line.close()
                raise

    def ask(self, model: Model, data: DataInfo) -> int | str:
        """The number, or why there is none. Raises OSError where the process has gone, TimeoutError where it is late."""
        self._line.settimeout(COUNT_SECONDS)
        question = pickle.dumps((model, data))
        self._line.sendall(len(question).to_bytes(8, "big") + question)
        answer = json.loads(self._received())
        if not isinstance(answer, int | str):
            raise ConnectionError("its answer is invalid")
        return answer

    def end(self) -> None:
        """End it with all that it has started."""
        self._line.close()
        self._fork.close()

    def death(self, seconds: float) -> str:
        """End it where it has not ended by itself within so many seconds. How it had."""
        from orchestrator.engine.isolated import death_message  # with multiprocessing, which `orch plan` does without

        code = self._fork.code(seconds)
        self.end()
        return death_message(code)

    def _received(self) -> bytes:
        """A line of JSON."""
        received = b""
        while not received.endswith(b"\n"):
            part = self._line.recv(_MAX)
            if not part or len(received) > _MAX:
                raise ConnectionError("the counting process is gone")
            received += part
        return received


def counted(model: Model, data: DataInfo) -> int:
    """The same here, with torch. Raises whatever the model raises."""
    from trainables.training.costs import count_flops

    return count_flops(model.build(data, task_named(data.task).outputs(data)), data.shape)


def _is_own(model: Model, data: DataInfo) -> bool:
    return type(model).__module__.startswith(_OWN) and registry.is_built_in("task", data.task)


def _answer(model: Model, data: DataInfo) -> int:
    """Raises CannotCount."""
    try:
        return counted(model, data)
    except Exception as raised:
        raise CannotCount(error_line(raised)) from raised


def serve(descriptor: int) -> None:
    """Answer through this socket what is asked there, until it is closed. Called in the other process."""
    line = socket.socket(fileno=descriptor)
    here = os.getpid()
    _limit_memory()
    with suppress(OSError, EOFError):  # the driver has what it wants, or is gone
        while True:
            question = _exactly(line, int.from_bytes(_exactly(line, 8), "big"))
            # beyond the driver's patience, and where there is no driver any more
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(COUNT_SECONDS) + 10)
            answer = _answer_or_error(question)
            signal.alarm(0)
            if os.getpid() != here:
                break  # a copy that the model has made
            _send(line, answer)
    os._exit(0)  # an answer that nobody takes is not worth another try


def _answer_or_error(question: bytes) -> int | str:
    try:
        return counted(*pickle.loads(question))  # noqa: S301 - the driver's # nosec B301
    except BaseException as raised:  # noqa: BLE001 - a plug-in's, say: the driver tells it
        return error_line(raised)


def _send(line: socket.socket, answer: int | str) -> None:
    line.sendall(json.dumps(answer).encode() + b"\n")


def _exactly(line: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = line.recv(count - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def _limit_memory() -> None:
    """Limit memory: a model that is too large fails to get it before the machine ends a process, which might be another."""
    limit = psutil.Process().memory_info().rss + int(_MEMORY_SHARE * psutil.virtual_memory().available)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


# How much work a trial is expected to be: what decides the order, and the time that is left.

FLOPS_PER_SECOND: Final = 5e9
"""A rough rate of one core, training: it only has to put measured and counted trials on one scale."""
BACKWARD: Final = 3.0
"""Forward and backward together take about three times the forward pass (Kaplan et al. 2020, section 2.1)."""
MAX_COUNTED: Final = 200
"""Models that are built to be counted; with more, the rest are expected to be like the mean."""


class Expectation:
    """Seconds of work, from what earlier trials took where there are some, else from counted operations."""

    def __init__(
        self, measured: Mapping[str, float], count: Callable[[Model, DataInfo], int | None], *, alike: bool = False
    ) -> None:
        """count: a model's operations for one example (`counting`); None where they are not known.
        alike: all cells have one model and one data set, so there is nothing to count (it takes a second to begin).
        """
        self._measured = measured
        self._count = count
        self._alike = alike
        self._flops: dict[tuple[DataInfo, Model], int | None] = {}

    def seconds(self, cell_id: str, model: Model, data: DataInfo, examples: int, epochs: int) -> float:
        if cell_id in self._measured:
            return self._measured[cell_id]
        return epochs * examples * self._forward(model, data) * BACKWARD / FLOPS_PER_SECOND

    def _forward(self, model: Model, data: DataInfo) -> float:
        if self._alike:
            return 1
        key = (data, model)
        if key not in self._flops and len(self._flops) < MAX_COUNTED:
            self._flops[key] = self._count(model, data)
        flops = self._flops.get(key)
        return self._mean() if flops is None else flops

    def _mean(self) -> float:
        known = [flops for flops in self._flops.values() if flops is not None]
        return sum(known) / len(known) if known else 1
