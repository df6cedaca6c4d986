"""Standard output and standard error of a process: writing into them never fails.

What is said of a sweep is reported as far as somebody takes it: a reader that has gone or is stuck, a full disk, a closed
descriptor and a terminal that is no more end nothing. That what a command was asked to print could not be written is
known at its end: `Outlet.missed`.
"""

import io
import math
import os
import select
import sys
import time
from contextlib import suppress
from errno import EBADF, ECONNRESET, EPIPE
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATIENCE_SECONDS: Final = 10.0
"""What a reader of messages that takes none is waited for, once: it may be a pager, or a terminal that was stopped."""
LAST_SECONDS: Final = 1.0
"""The same where the process is about to end in any case."""
_LOOK_SECONDS: Final = 0.05
"""Between two looks at a reader that takes nothing."""


class Outlet(io.FileIO):
    """A standard stream. What cannot be written to it is dropped."""

    lost: OSError | None = None
    """Why something was dropped, the first time."""

    def __init__(self, descriptor: int, patience: float | None, *, closed: bool = False) -> None:
        """patience: seconds after which a reader that takes nothing is left alone; None: it is waited for.
        closed: whether there was nothing to write to when the process began.
        """
        super().__init__(descriptor if patience is None else _unwaited(descriptor), "w", closefd=False)
        self._descriptor, self._patience, self._closed, self._stuck = descriptor, patience, closed, False
        self._ready = select.poll()
        self._ready.register(self, select.POLLOUT)

    def fileno(self) -> int:
        """The one that a process which is started with this stream may have."""
        return self._descriptor

    @property
    def missed(self) -> OSError | None:
        """Why somebody who waits for it has not got all; None where a reader has gone because it had seen enough."""
        return None if self.lost is None or self.lost.errno in (EPIPE, ECONNRESET) else self.lost

    def write(self, data: "ReadableBuffer") -> int:
        whole = memoryview(data)
        try:
            self._write(whole)
        except OSError as error:
            self.lost = self.lost or error
        return len(whole)

    def _write(self, rest: memoryview) -> None:
        if self._closed:
            raise OSError(EBADF, "it is closed")
        ends = math.inf if self._patience is None else time.monotonic() + (0 if self._stuck else self._patience)
        while rest:
            ready = self._ready.poll(0 if self._stuck else _LOOK_SECONDS * 1000)
            # what a pipe that is ready takes at once; None is said by what does not wait, whoever has made it so
            written = super().write(rest[: select.PIPE_BUF]) if ready else None
            self._stuck = not written and time.monotonic() >= ends
            if self._stuck:
                raise TimeoutError("nobody takes it")
            if written:
                rest = rest[written:]
            elif ready:
                time.sleep(_LOOK_SECONDS)


def _unwaited(descriptor: int) -> int:
    """A descriptor of our own for a terminal: one that says it takes something may keep its writer waiting all the same."""
    with suppress(OSError):
        if os.isatty(descriptor):
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    return descriptor


def open_outputs() -> Outlet:
    """Put streams that never fail in the place of this process's own, as its very first step. The one of its output.

    Closed descriptors are opened first: the next file that is opened would be given the number of a standard stream, and
    what is printed would be written into it.
    """
    closed = [descriptor for descriptor in range(3) if _reopened(descriptor)]
    if 0 in closed:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor, for as long as the process
    output, errors = Outlet(1, None, closed=1 in closed), Outlet(2, PATIENCE_SECONDS, closed=2 in closed)
    sys.stdout = _text(output, sys.stdout, line_buffering=output.isatty())
    sys.stderr = _text(errors, sys.stderr, line_buffering=True)
    return output


def last_words(text: str) -> None:
    """Write to standard error, past Python's own streams, which another thread may hold: the process ends immediately."""
    Outlet(2, LAST_SECONDS).write(text.encode())


def _reopened(descriptor: int) -> bool:
    with suppress(OSError):
        os.fstat(descriptor)
        return False
    opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    assert opened == descriptor
    os.set_inheritable(descriptor, True)  # a process that is started here would have the same trap
    return True


def _text(outlet: Outlet, before: TextIO | None, *, line_buffering: bool) -> TextIO:
    """before: None where it was closed."""
    encoding = "utf-8" if before is None else before.encoding
    return io.TextIOWrapper(
        io.BufferedWriter(outlet), encoding=encoding, errors="backslashreplace", line_buffering=line_buffering
    )
