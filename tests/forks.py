"""Python processes that begin with the libraries loaded: forks of one that has imported them, and nothing of ours.

A process that trains spends 4 s of processor time on imports of torch, of its compiler and of pandas. One process of each
process that tests does that once; what a test starts is a fork of it, which loads our own code anew. Its arguments,
environment, folder and streams are as they would be after `exec`, and it leads a session of its own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

SERVER = Path(__file__).with_name("fork_server.py")


class Fork:
    """A process that was begun, with what tests use of `subprocess.Popen`. Its outputs go to files, not to pipes.

    terminal: the device that it has instead, for its input too.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str | Path],
        environment: Mapping[str, str],
        terminal: str | None = None,
    ) -> None:
        self.args = [str(part) for part in arguments]
        self.returncode: int | None = None
        self._folder = TemporaryDirectory(prefix="fork-", ignore_cleanup_errors=True)  # goes with this object
        self._kept = Path(self._folder.name)
        asked = {
            "folder": str(folder),
            "arguments": self.args,
            "environment": dict(environment),
            "kept": str(self._kept),
            "terminal": terminal,
        }
        self.pid = _server().begin(asked)

    def poll(self) -> int | None:
        if self.returncode is None:
            with suppress(FileNotFoundError):
                self.returncode = os.waitstatus_to_exitcode(int((self._kept / "status").read_text()))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        ends = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while (code := self.poll()) is None:
            if time.monotonic() > ends:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(0.02)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        output, errors = ((self._kept / name).read_text() for name in ("output", "errors"))
        return output, errors

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    folder: Path, arguments: Sequence[str | Path], environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Begin one, and wait for its end."""
    process = Fork(folder, arguments, environment)
    try:
        output, errors = process.communicate(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.wait(), output, errors)


class _Server:
    """The process that forks; it ends with this one, whose end closes its input."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER)],
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def begin(self, asked: Mapping[str, object]) -> int:
        """The new process's number."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(asked)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@cache
def _server() -> _Server:
    return _Server()
