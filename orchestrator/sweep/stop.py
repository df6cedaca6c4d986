"""Ends a sweep on a signal: immediately as long as nothing has begun, then by a flag that it looks at between two steps."""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

from clusters.signals import ENDING
from orchestrator.errors import Interrupted, Stopped, UserError
from orchestrator.outputs import last_words
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import command_line
from trainables.data.files import read_regular, replace_whole

if TYPE_CHECKING:
    from orchestrator.store.lock import ResultsLock
    from orchestrator.sweep.source_watch import SourceWatch

# `orch stop` asks the sweep of a results directory to end: a small file that the sweep looks for.

StopMode = Literal["drain", "now"]
"""drain: what runs is finished. now: what runs is cancelled, as by Ctrl-C."""

_MODES: Final[tuple[StopMode, ...]] = ("drain", "now")
_LONGEST: Final = 16
"""Bytes of a request, and more than one has."""


def ask_to_stop(paths: ResultsPaths, mode: StopMode) -> None:
    """Ask a sweep to end. Raises UserError where the directory cannot be written."""
    try:
        replace_whole(mode.encode(), paths.stop_request)
    except OSError as error:
        raise UserError(f"cannot ask the sweep in {paths.root} to stop: {error}") from error


def asked_to_stop(paths: ResultsPaths) -> StopMode | None:
    """Return how the sweep has been asked to stop; None where it has not."""
    try:
        text = read_regular(paths.stop_request, _LONGEST)
    except OSError:
        return None
    return next((mode for mode in _MODES if mode.encode() == text), None)


# Whether `orch stop` has asked this sweep to end, as the sweep looks at it between two steps.

LOOK_PERIOD: Final = 0.25
"""Seconds between two looks at the file; a sweep asks some thousand times a second."""


class StopRequest:
    """What has been asked stays asked until the sweep has ended, except that `--now` may follow."""

    def __init__(self, paths: ResultsPaths) -> None:
        self._paths = paths
        self._mode: StopMode | None = None
        self._looked = 0.0

    def asked(self) -> bool:
        """Whether no trial is to be begun any more."""
        now = time.monotonic()
        if self._mode != "now" and now - self._looked >= LOOK_PERIOD:
            self._looked = now
            self._mode = asked_to_stop(self._paths) or self._mode
        return self._mode is not None

    def check(self) -> None:
        """Raise Stopped where trials that run are not to be waited for either."""
        if self.asked() and self._mode == "now":
            raise Stopped


# Ends this process where a signal has come and it does not leave.

FIRST_SECONDS: Final = 8.0
"""What a sweep is given from the first signal on. What it has committed is safe all the time."""
SECOND_SECONDS: Final = 1.5
"""From the second signal on."""
ONE_SIGNAL_SECONDS: Final = 0.05
"""Within this time, two of them are one: `timeout` sends its signal to a process, and then to its group."""


class ExitWatchdog:
    """A thread that waits for signals beside Python's handlers, from `open` to `close`."""

    def __init__(
        self, signals: Collection[int], heard: Callable[[int], None], last_message: Callable[[int], str]
    ) -> None:
        """signals: those that end the sweep.
        heard: is told of each, in a thread of its own, whoever's handler is in place.
        last_message: what is said at last of the one that came first.
        """
        self._signals, self._heard, self._last_message = signals, heard, last_message
        self._reading, self._writing = socket.socketpair()
        self._writing.setblocking(False)
        self._before = -1
        self._thread = threading.Thread(target=self._wait, name="hard-end", daemon=True)

    def open(self) -> None:
        """Raises ValueError outside the main thread."""
        import psutil  # noqa: F401  # before there is a hurry; `orch --help` does without

        self._before = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self._thread.start()

    def close(self) -> None:
        signal.set_wakeup_fd(self._before)
        self._writing.close()  # which ends the thread
        self._thread.join()
        self._reading.close()

    def _wait(self) -> None:
        first, came, deadline = 0, 0.0, None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._reading], [], [], left)[0]:
                self._end(first)
            received = self._reading.recv(64)
            if not received:
                return
            for number in received:
                now = time.monotonic()
                if number not in self._signals:
                    continue
                self._heard(number)
                if deadline is None:
                    first, came, deadline = number, now, now + FIRST_SECONDS
                elif now - came > ONE_SIGNAL_SECONDS:
                    deadline = min(deadline, now + SECOND_SECONDS)

    def _end(self, number: int) -> None:
        own = os.getsid(0)
        import psutil  # imported since `open`

        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) == own:  # the reaper, and the writer of W&B, have sessions of their own
                    process.kill()
        shown = "\x1b[?25h" if os.isatty(2) else ""  # the live display has hidden the cursor
        last_words(f"{shown}\n{self._last_message(number)}\n")
        os._exit(128 + number)


_HEARD_IN_ANY_CASE: Final = (signal.SIGINT, signal.SIGTERM)
"""Also where whoever has started us ignores them, as a shell does with SIGINT for what it starts in the background."""


class StoppedEarly(KeyboardInterrupt):
    """A signal came before a sweep had begun. Like Ctrl-C: no library takes it for a failure of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_early: int | None = None
"""The last one that came. Whom it interrupts may make another error of it, or lose it: pydantic reports a model that
cannot be built, an object that is being deleted passes nothing on."""


def stop_early() -> None:
    """Let signals end a process that begins as Ctrl-C does, with a line, until `Stopping` takes them."""
    for number in ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):  # else nohup, or somebody else's
            signal.signal(number, _raise)


def signal_of(error: BaseException) -> int | None:
    """Return the signal that ended a command early; None where none did. error: what reached the command's end."""
    for cause in (error, error.__cause__, error.__context__):  # click makes an Abort of it
        if isinstance(cause, StoppedEarly):
            return cause.number
        if isinstance(cause, KeyboardInterrupt):
            return signal.SIGINT
    return _early


def _raise(number: int, frame: FrameType | None) -> None:
    global _early  # noqa: PLW0603
    _early = number
    raise StoppedEarly(number)


class Stopping:
    """Catches the signals from `__enter__` to `__exit__`; outside the main thread it catches none.

    Who does not look for too long after one is ended.
    """

    def __init__(self) -> None:
        self._received = _early
        self._watchdog: ExitWatchdog | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopping":
        for number in ENDING:
            if number not in _HEARD_IN_ANY_CASE and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup, or `trap '' USR1`: the sweep is meant to outlive it
            try:
                self._before[number] = signal.signal(number, self._receive)
            except ValueError:  # not the main thread: signals are somebody else's
                return self
        self._watchdog = ExitWatchdog(tuple(self._before), self._hear, _last_message)
        self._watchdog.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._watchdog is not None:
            self._watchdog.close()

    def check(self) -> None:
        """Raise Interrupted once a signal has come."""
        if self._received is not None:
            raise Interrupted(self._received)

    def retake(self) -> None:
        """Catch the signals again: Ray installs handlers of its own when it starts."""
        for number in self._before:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._hear(number)

    def _hear(self, number: int) -> None:
        """Take in a signal, also from Ray's own handler: its SystemExit may have come where nothing passes it on."""
        self._received = number


def _last_message(number: int) -> str:
    return (
        f"stopped by {signal.Signals(number).name} immediately; everything finished is kept, though the tables may be older."
        f" To go on: {command_line()}"
    )


@dataclass(frozen=True, slots=True)
class StopChecks:
    """Whatever may end a sweep early, as the sweep looks at it between two steps."""

    signals: Stopping
    request: StopRequest
    lock: "ResultsLock"
    source: "SourceWatch"

    def check(self) -> None:
        """Raise where it has to end now, whatever runs: Interrupted, Stopped, or what `ResultsLock.check` raises."""
        self.signals.check()
        self.request.check()
        self.lock.check()
        self.source.look()

    def stopped(self) -> bool:
        """Whether nothing is to be begun any more. Raises as `check`."""
        self.check()
        return self.request.asked()
