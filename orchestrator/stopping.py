"""SIGHUP, SIGINT and SIGTERM as a flag that the sweep looks at between two steps."""

import signal
from types import FrameType, TracebackType
from typing import Any, Final

from orchestrator.errors import Interrupted

SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Catches the signals from `__enter__` to `__exit__`; outside the main thread it catches none."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopping":
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: the sweep is meant to outlive its terminal
            try:
                self._before[number] = signal.signal(number, self._receive)
            except ValueError:  # not the main thread: signals are somebody else's
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Interrupted once a signal has come."""
        if self._received is not None:
            raise Interrupted(self._received)

    def retake(self) -> None:
        """Catch the signals again: Ray installs handlers of its own when it starts."""
        for number in self._before:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number
