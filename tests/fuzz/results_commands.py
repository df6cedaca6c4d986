"""Commands in processes of their own, which may take so much time and memory and no more."""

import faulthandler
import os
import resource
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator import load
from orchestrator.cli import exit_code, run
from orchestrator.errors import OrchError

SECONDS: Final = 10
"""Of a processor: what takes more has hung, however busy the machine is."""
WAITING: Final = 60.0
"""Seconds in which it has to end, if it waits for something."""
_MEMORY: Final = 2 << 30
"""Bytes of addresses, beside those that the process begins with."""
_LARGEST: Final = 1 << 30
"""Bytes of a file that it may write: a hole that is copied would fill the disk."""
_BROKE: Final = 70


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command has left."""

    code: int | None
    """None where it hung; less than 0 where a signal ended it."""
    output: str


def forked(arguments: Sequence[str], said: Path) -> Ended:
    """A command in a copy of this process, which has imported all that it needs. said: a file for what it prints."""
    child = os.fork()
    if not child:
        _be_child(lambda: load_all(arguments[1]) if arguments[0] == "load" else run(arguments), said)
    watch = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(watch, select.POLLIN)
        in_time = bool(poll.poll(WAITING * 1000))
    finally:
        os.close(watch)
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return Ended(code if in_time and code != -signal.SIGXCPU else None, said.read_text(errors="replace"))


def started(arguments: Sequence[str], folder: Path) -> Ended:
    """The command as a user gives it. Python alone takes a second to begin."""
    command = [sys.executable, "-m", "orchestrator", *arguments]
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WAITING,
        )
    except subprocess.TimeoutExpired as hung:
        return Ended(None, (hung.output or b"").decode(errors="replace"))
    return Ended(ended.returncode, ended.stdout.decode(errors="replace"))


def load_all(root: str) -> int:
    """`orchestrator.load`, and all that it gives."""
    try:
        results = load(root)
        for table in ("trials", "epochs", "classes", "curves", "attempts", "environments", "tuning_trials"):
            results.table(table, "arrow")
        results.cells()
        results.claims()
    except OrchError as error:
        print(error)
        return exit_code(error)
    return 0


def _be_child(work: Callable[[], int], said: Path) -> None:
    """Does not return."""
    code = _BROKE
    try:
        _stand_alone(said)
        code = work()
    except BaseException:  # noqa: BLE001 - what it is, is printed, and found there
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _stand_alone(said: Path) -> None:
    opened = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process
    sys.stdout = open(1, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
    for number in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    faulthandler.dump_traceback_later(WAITING - 5, file=2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (pages + _MEMORY, pages + _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST, _LARGEST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
