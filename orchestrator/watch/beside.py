"""`orch watch` as a process beside a sweep: who opens the journal and closes it ends its own locks on it."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

from clusters.signals import WARNINGS, children_deaf_to

_PATIENCE: Final = 5.0
"""Seconds that the process is given at the end, to tell its pages how the sweep ended."""


@contextmanager
def watched(arguments: Sequence[str] | None, note: Callable[[str], None]) -> Iterator[None]:
    """Within, `orch watch ARGUMENTS` runs. note: is told the page's address, or why there is none. None: nothing runs."""
    if arguments is None:
        yield
        return
    with children_deaf_to(WARNINGS):
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "orchestrator", "watch", *arguments, "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is meant for the sweep
        )
    assert process.stdin is not None and process.stdout is not None
    reader = threading.Thread(target=_tell, args=(process.stdout, note), name="watch", daemon=True)
    reader.start()
    try:
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(_PATIENCE)
        process.stdout.close()


def _tell(printed: IO[str], note: Callable[[str], None]) -> None:
    for line in printed:
        note(f"watch: {line.rstrip()}")
