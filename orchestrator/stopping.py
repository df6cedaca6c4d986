"""The signals that end a sweep: an end at once as long as nothing has begun, then a flag that the sweep looks at between two
steps.
"""

import signal
from types import FrameType, TracebackType
from typing import Any, Final

from clusters.signals import ENDING
from orchestrator.command_line import command_line
from orchestrator.errors import Interrupted
from orchestrator.hard_end import HardEnd

_HEARD_IN_ANY_CASE: Final = (signal.SIGINT, signal.SIGTERM)
"""Also where whoever has started us ignores them, as a shell does with SIGINT for what it starts in the background."""


class StoppedEarly(KeyboardInterrupt):
    """A signal came before a sweep had begun. Like Ctrl-C: no library takes it for a failure of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def stop_early() -> None:
    """For a process that begins: they end it as Ctrl-C does, with a line, until `Stopping` takes them."""
    for number in ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:  # else Python's own, nohup, or somebody else's
            signal.signal(number, _raise)


def signal_of(stopped: BaseException) -> int:
    """What ended a command early. stopped: what reached its end: KeyboardInterrupt, or what click has made of it."""
    for error in (stopped, stopped.__cause__, stopped.__context__):
        if isinstance(error, StoppedEarly):
            return error.number
    return signal.SIGINT


def _raise(number: int, frame: FrameType | None) -> None:
    raise StoppedEarly(number)


class Stopping:
    """Catches the signals from `__enter__` to `__exit__`; outside the main thread it catches none.

    Who does not look for too long after one is ended.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._hard_end: HardEnd | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopping":
        for number in ENDING:
            if number not in _HEARD_IN_ANY_CASE and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup, or `trap '' USR1`: the sweep is meant to outlive it
            try:
                self._before[number] = signal.signal(number, self._receive)
            except ValueError:  # not the main thread: signals are somebody else's
                return self
        self._hard_end = HardEnd(tuple(self._before), self._hear, _told_at_last)
        self._hard_end.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._hard_end is not None:
            self._hard_end.close()

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
        """Also what Ray's own handler has received, whose SystemExit may have come where nothing passes it on."""
        self._received = number


def _told_at_last(number: int) -> str:
    return (
        f"stopped by {signal.Signals(number).name} at once; everything finished is kept, though the tables may be older."
        f" To go on: {command_line()}"
    )
