"""Commands as processes of their own, forked from a server that has imported torch: a start in a tenth of a second.

Python takes three seconds to import what a sweep needs, which hundreds of kills cannot pay each. What is forked is the
command from its first own statement on.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

PATIENCE = 120.0
"""Seconds after which a command is taken for hung."""

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    [
        "pyarrow.dataset",
        "pyarrow.parquet",
        "sklearn.datasets",
        "torch._dynamo",
        "orchestrator.cli.status",
        "orchestrator.cli.sweep",
        "orchestrator.cli.verify",
        "orchestrator.store.integrity.verify",
        "orchestrator.results.status",
        "orchestrator.sweep.run",
    ]
)  # what is installed: Python 3.11's server does not know our sys.path. None of them starts a thread


@dataclass
class Ended:
    """How a command ended."""

    code: int
    """Its exit code; negative, the signal that ended it."""
    output: str
    errors: str
    seconds: float
    """From the start to the end."""

    @property
    def last_line(self) -> str:
        lines = self.errors.splitlines()
        return lines[-1] if lines else ""


@dataclass
class Command:
    """A command that runs in `folder`."""

    process: BaseProcess
    folder: Path
    began: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process.is_alive()

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def wait(self, patience: float = PATIENCE) -> Ended:
        self.process.join(patience)
        if self.process.exitcode is None:
            self.kill()
            self.process.join()
            raise AssertionError(f"hung; it had said: {self._said('err')}")
        seconds = time.monotonic() - self.began
        return Ended(self.process.exitcode, self._said("out"), self._said("err"), seconds)

    def _said(self, stream: str) -> str:
        path = self.folder / f".{self.pid}.{stream}"
        return path.read_text() if path.exists() else ""


def start(folder: Path, *arguments: str, gate: Path | None = None, limits: Sequence[tuple[int, int]] = ()) -> Command:
    """Begin `orch ARGUMENTS` in the folder. gate: a file that it waits for; limits: for setrlimit."""
    process = _server.Process(target=_carry_out, args=(folder, arguments, gate, tuple(limits)), daemon=False)
    process.start()
    return Command(process, folder)


def orch(folder: Path, *arguments: str) -> Ended:
    return start(folder, *arguments).wait()


def wait_until(holds: Callable[[], bool], command: Command, patience: float = PATIENCE) -> None:
    """Returns also when the command ends."""
    ends = time.monotonic() + patience
    while command.runs and not holds():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.002)


def _carry_out(folder: Path, arguments: Sequence[str], gate: Path | None, limits: Sequence[tuple[int, int]]) -> None:
    os.setsid()
    assert "orchestrator.sweep.run" in sys.modules, (
        "the server could not import what it forks: the program is being edited"
    )
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(f".{os.getpid()}.{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    while gate is not None and not gate.exists():
        time.sleep(0.001)
    for number, limit in limits:
        resource.setrlimit(number, (limit, resource.getrlimit(number)[1]))
    from tests.chaos.driver import main

    code = 1
    try:
        code = main(arguments)
    except BaseException:  # noqa: BLE001 - Python's own way to end, without taking apart what was forked
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
