"""`orch` and `python -m orchestrator`."""

import atexit
import os
import sys


def main() -> None:
    """Run a command. The one place where an error becomes an exit code."""
    ending = _Ending()
    atexit.register(ending.leave)  # the first to be registered is the last to be called
    from orchestrator.stopping import stop_early

    stop_early()
    from orchestrator.cli import run

    ending.code = run(sys.argv[1:])
    sys.exit(ending.code)


class _Ending:
    """Leaves without taking the interpreter apart, which takes half a second once torch has been imported."""

    code = 1
    """Python's own for an error that nobody has caught."""

    def leave(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(self.code)


if __name__ == "__main__":
    main()
