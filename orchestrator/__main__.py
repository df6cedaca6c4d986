"""`orch` and `python -m orchestrator`."""

import atexit
import gc
import os
import sys
import threading
import time
from typing import Final

from orchestrator.outputs import Outlet, open_outputs

_COLLECTION: Final = (200_000, 2, 2)
"""New objects after which Python looks for cycles, in place of 700: a command imports over 100,000 that stay, and to look at
them again and again was a tenth of its start. All objects are looked at after 800,000 in place of 70,000.
"""


def main() -> None:
    """Run a command. The one place where an error becomes an exit code."""
    gc.set_threshold(*_COLLECTION)
    output = open_outputs()
    ending = _Ending()
    atexit.register(ending.leave)  # the first to be registered is the last to be called
    from orchestrator.sweep.stop import stop_early

    stop_early()
    from orchestrator.cli import run

    ending.code = _missed(output, run(sys.argv[1:]))
    if _threads_left():  # by a trial: Python would wait for them, for ever
        ending.leave()
    sys.exit(ending.code)


def _threads_left() -> bool:
    """Whether a thread that a process waits for when it ends does not end within a second."""
    ending = time.monotonic() + 1.0
    left = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    for thread in left:
        thread.join(max(0.0, ending - time.monotonic()))
    return any(thread.is_alive() for thread in left)


def _missed(output: Outlet, code: int) -> int:
    """The exit code, once it is known whether all that was printed has been written."""
    sys.stdout.flush()
    if output.missed is None:
        return code
    from orchestrator.cli.terminal import say
    from orchestrator.errors import OutputLost

    lost = OutputLost(output.missed.strerror or str(output.missed))
    say(lost, err=True)
    return code or lost.exit_code  # a verdict, or what went wrong before, is still the answer


class _Ending:
    """Leaves without taking the interpreter apart, which takes half a second once torch has been imported."""

    code = 1
    """Python's own for an error that nobody has caught."""

    def leave(self) -> None:
        import sys

        try:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        finally:
            os._exit(self.code)


if __name__ == "__main__":
    main()
