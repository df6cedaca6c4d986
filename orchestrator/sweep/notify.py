"""Calls a command of the user's at the first failure of a sweep and at its end.

The command comes from `--notify` or ORCH_NOTIFY and never from a grid. It is started without a shell, and whatever becomes
of it is reported and changes nothing.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from tempfile import TemporaryFile
from typing import Final, Literal

from clusters.errors import last_line
from orchestrator.errors import Interrupted, OrchError
from orchestrator.plan.progress import Progress, Snapshot
from orchestrator.sweep.stop import signal_of
from orchestrator.text import clean, masked
from results_schema import RETRYABLE

SECONDS: Final = 30.0
"""What the command is given; after that it is ended."""
SECONDS_WHEN_STOPPED: Final = 5.0
"""The same where a signal has ended the sweep: its user is waiting, or the machine is."""
_LONGEST: Final = 2000
"""Characters of a message: variables of a process have a limit."""
_OUTCOMES: Final = {0: "succeeded", 1: "failed", 2: "refused", 3: "lost", 4: "damaged", 5: "locked"}


Ended = Callable[[int, str, Mapping[str, int] | None], None]
"""Is told the exit code, what the sweep says, and its trials by status where they are known."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the command is told: one JSON object on its standard input, and variables ORCH_NOTIFY_<NAME>."""

    grid: str
    """The grid file."""
    sweep: str | None = None
    """The sweep's name; None where the grid cannot be read."""
    results: str | None = None
    """Its results directory; None where that is unknown, or on another machine."""
    event: Literal["failure", "end"] = "end"
    outcome: str = "running"
    """At the end one of succeeded, failed, refused, lost, damaged, locked, stopped."""
    exit_code: int | None = None
    """Of the sweep; None as long as it runs."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Planned trials by status, as far as they are known."""
    message: str = ""
    """What the sweep says at its end, or which trial failed and why."""

    def variables(self) -> dict[str, str]:
        values = {name: value for name, value in asdict(self).items() if name != "counts" and value is not None}
        return {f"ORCH_NOTIFY_{name.upper()}": str(value) for name, value in values.items()}


class Notifier:
    """Watches a sweep's progress for its first failure, and is told of its end."""

    def __init__(self, command: Sequence[str], about: Notice, say: Callable[[str], None]) -> None:
        """command: its words; none: nobody is called. say: told what became of it where it did not do well."""
        self._command, self._about, self._say = tuple(command), about, say
        self._first: threading.Thread | None = None
        self._counts: Mapping[str, int] = {}
        if self._command and shutil.which(self._command[0]) is None:
            say(f"warning: the --notify command {self._command[0]} was not found; the sweep goes on without it")

    @property
    def wanted(self) -> bool:
        """Whether there is a command to call."""
        return bool(self._command)

    def watching(self, progress: Progress) -> Progress:
        """The progress to hand to the sweep."""
        return _Watched(progress, self) if self._command else progress

    def failed(self, label: str, status: str, detail: str, counts: Mapping[str, int]) -> None:
        """A trial has failed. Nobody waits for the command."""
        if self._first is None:
            message = f"{status.replace('_', ' ')}: {label}: {detail}"
            notice = replace(self._about, event="failure", counts=dict(counts), message=_shown(message))
            self._first = threading.Thread(target=self._call, args=(notice, SECONDS), name="notify", daemon=True)
            self._first.start()

    def seen(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def ended(self, exit_code: int, message: str, counts: Mapping[str, int] | None = None) -> None:
        """The sweep has come to its end."""
        if not self._command:
            return
        seconds = SECONDS if exit_code in _OUTCOMES else SECONDS_WHEN_STOPPED
        if self._first is not None:
            self._first.join(seconds)
        outcome = _OUTCOMES.get(exit_code, "stopped")
        known = dict(self._counts if counts is None else counts)
        self._call(
            replace(self._about, outcome=outcome, exit_code=exit_code, counts=known, message=_shown(message)), seconds
        )

    def _call(self, notice: Notice, seconds: float) -> None:
        if failure := _called(self._command, notice, seconds):
            self._say(f"the --notify command {self._command[0]} {failure}; the sweep is not affected")


@contextmanager
def notifying(notifier: Notifier) -> Iterator[Ended]:
    """Tell of the end, whatever it is. Gives whom to tell how a sweep has come to its end; where nobody does, it goes on."""
    ends: list[tuple[int, str, Mapping[str, int] | None]] = []
    try:
        yield lambda *end: ends.append(end)
    except BaseException as error:
        notifier.ended(_code(error), _words(error))
        raise
    for end in ends:
        notifier.ended(*end)


class _Watched:
    """Hands everything on."""

    def __init__(self, progress: Progress, notifier: Notifier) -> None:
        self._progress, self._notifier = progress, notifier

    def note(self, text: str) -> None:
        self._progress.note(text)

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        self._progress.finished(label, status, detail, snapshot)
        self._notifier.seen(snapshot.counts)
        if status in RETRYABLE:
            self._notifier.failed(label, status, detail, snapshot.counts)

    def update(self, snapshot: Snapshot) -> None:
        self._progress.update(snapshot)


def _code(error: BaseException) -> int:
    if isinstance(error, Interrupted):
        return 128 + error.signal_number
    if (number := signal_of(error)) is not None:
        return 128 + number
    return error.exit_code if isinstance(error, OrchError) else 1


def _words(error: BaseException) -> str:
    """Return what the sweep says of it; a signal that came before there was one has only its number."""
    if not isinstance(error, Interrupted) and (number := signal_of(error)) is not None:
        return str(Interrupted(number))
    return str(error) or type(error).__name__


def _called(command: Sequence[str], notice: Notice, seconds: float) -> str:
    """Run it; what went wrong, or an empty text."""
    try:
        with TemporaryFile() as said:
            process = subprocess.Popen(  # the user's own command, without a shell  # noqa: S603
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # the sweep's own output is for programs
                stderr=said,
                env=os.environ | notice.variables(),
                start_new_session=True,
            )
            try:
                process.communicate(json.dumps(asdict(notice)).encode(), timeout=seconds)
            except subprocess.TimeoutExpired:
                return f"had not ended after {seconds:g} s, and was ended"
            finally:
                if process.poll() is None:
                    _end(process)
            said.seek(0)
            return "" if process.returncode == 0 else f"ended with {process.returncode}{_ending(said.read())}"
    except (OSError, ValueError) as error:  # ValueError: a NUL in a word of it
        return f"cannot be started: {getattr(error, 'strerror', None) or error}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process with all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(said: bytes) -> str:
    line = last_line(said[-_LONGEST:].decode(errors="replace"))
    return f" ({_shown(line)})" if line else ""


def _shown(text: str) -> str:
    return clean(masked(text))[:_LONGEST]
