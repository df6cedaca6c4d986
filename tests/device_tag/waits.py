"""Where the host waits for the device: each time with the line of ours that made it wait, and what of it is in a step."""

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

import torch

from trainables.context import SingleContext
from trainables.records import EpochRow

ROOT: Final = Path(__file__).parents[2]
_OURS: Final = tuple(f"{ROOT}/{folder}/" for folder in ("trainables", "orchestrator", "benchmarks", "tests"))
_NOT_A_CALLER: Final = tuple(str(Path(__file__).with_name(name)) for name in ("mode.py", "cuda.py", "waits.py"))


class Site(NamedTuple):
    """A place in our code."""

    file: str
    """From the root of the repository."""
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.function}"


class Wait(NamedTuple):
    """One wait of the host."""

    site: Site
    line: int
    what: str
    """The call that waits."""


def waiting(what: str) -> Wait:
    """A wait of who is calling now: the innermost line of this repository, whatever of torch's lies between."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OURS) and file not in _NOT_A_CALLER and "/.venv/" not in file:
            site = Site(str(Path(file).relative_to(ROOT)), frame.f_code.co_name)
            return Wait(site, frame.f_lineno, what)
        frame = frame.f_back
    return Wait(Site("", ""), 0, what)


class Steps:
    """Sorts waits: which are in a step of an epoch, from one `Context.check` to the next.

    Those of a trial's first epoch are left out: what is moved once (weights of classes, say) is moved there. Those behind
    an epoch's last step belong to its end.
    """

    def __init__(self) -> None:
        self.in_steps: list[Wait] = []
        self.anywhere: list[Wait] = []
        self.steps = 0
        """Those that were watched from end to end."""
        self._open: list[Wait] | None = None

    def waited(self, wait: Wait) -> None:
        """Note it."""
        self.anywhere.append(wait)
        if self._open is not None:
            self._open.append(wait)

    def check(self) -> None:
        """A step begins, and with it the one before has ended."""
        if self._open is not None:
            self.in_steps += self._open
            self.steps += 1
        self._open = []

    def epoch_over(self) -> None:
        """What comes is no step, until the next begins."""
        self._open = None

    def __str__(self) -> str:
        """How often each place waits in steps."""
        found = Counter(f"{wait.site} ({wait.what}, line {wait.line})" for wait in self.in_steps)
        return ", ".join(f"{site}: {count} in {self.steps} steps" for site, count in found.items())


class CutOffError(Exception):
    """Stands for whatever ends an attempt."""


class WatchedContext(SingleContext):
    """The context of one process, which tells `Steps` where steps begin."""

    def __init__(self, steps: Steps, device: torch.device, stop_after: int | None = None) -> None:
        """stop_after: the epoch behind which the attempt is cut off."""
        self.rows: list[EpochRow] = []
        super().__init__(device, self._reported)
        self._steps, self._stop_after = steps, stop_after

    def _reported(self, row: EpochRow) -> bool:
        self.rows.append(row)
        self._steps.epoch_over()
        if self._stop_after is not None and row.epoch > self._stop_after:
            raise CutOffError
        return False

    def check(self) -> None:
        if self.rows:
            self._steps.check()
        super().check()
