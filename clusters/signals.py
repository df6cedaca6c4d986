"""The signals that end a sweep gracefully, and who must not hear them. Imports no ray.

Schedulers warn by one of them some time before they kill (`sbatch --signal=USR1@120`, `qsub -notify`), and mostly send it to
every process of a job.
"""

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

WARNINGS: Final = (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
"""What would end a process without a word, and is meant for the sweep."""
ENDING: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, *WARNINGS)


@contextmanager
def children_deaf_to(numbers: Collection[signal.Signals]) -> Iterator[None]:
    """Processes started within, and what those start, do not hear these signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
