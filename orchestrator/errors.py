"""What `orch` tells its user when it cannot go on, and the exit code that goes with it.

OrchError                    base; never raised itself
├── UserError           2    the input: grid, options, data folder
│   └── GridError       2    several located problems of a grid file at once
├── InfrastructureLost  3    the cluster or a process of it went away; what is finished is kept, the command goes on
│   └── ResultsGone     3    the path of the results leads elsewhere now: renamed, re-pointed, mounted over
│       └── ResultsRemoved  3    somebody has deleted them under the sweep
├── DamagedResults      4    the journal or a table cannot be read
├── LockedResults       5    another sweep writes to this results directory
├── OutputLost          6    what a command was to print could not be written; what it did is done
├── Interrupted              128 and the signal's number: 129 SIGHUP, 130 SIGINT, 138 SIGUSR1, 143 SIGTERM, ...
└── Stopped           130    stopped by `orch stop`

Each says what happened, why, and what to do, and survives pickling.
"""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from orchestrator.text import one_line


class OrchError(Exception):
    """Base of all errors that end a command on purpose."""

    exit_code: ClassVar[int] = 1


class UserError(OrchError):
    """What the user wrote cannot be used."""

    exit_code = 2


_LONGEST: Final = 2000
"""Characters of a message: what a user wrote may be of any length."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a file, and where it stands."""

    file: str
    line: int
    """From 1."""
    column: int
    """From 1."""
    message: str

    def __str__(self) -> str:
        message = one_line(self.message)
        told = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."
        return f"{one_line(self.file)}:{self.line}:{self.column}: {told}"


class GridError(UserError):
    """All that is wrong in a grid file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class InfrastructureLost(OrchError):
    """The cluster went away; the sweep can be resumed."""

    exit_code = 3


class ResultsGone(InfrastructureLost):
    """The path of the results directory leads to another one now, or to none."""

    def __init__(self, message: str, now: Path | None = None) -> None:
        """now: where the directory is, if a path leads there still."""
        super().__init__(message, now)
        self.message, self.now = message, now

    def __str__(self) -> str:
        return self.message


class ResultsRemoved(ResultsGone):
    """The results directory has been deleted under the sweep: there is nothing to write to any more."""


class DamagedResults(OrchError):
    """The journal or a table cannot be read."""

    exit_code = 4


class LockedResults(OrchError):
    """Another sweep writes to this results directory."""

    exit_code = 5


class OutputLost(OrchError):
    """What a command was to print could not be written, for a reason other than a reader who has seen enough."""

    exit_code = 6

    def __str__(self) -> str:
        return f"standard output cannot be written: {self.args[0]}"


class Interrupted(OrchError):
    """A signal stopped the sweep."""

    def __init__(self, signal_number: int, hint: str = "") -> None:
        super().__init__(signal_number, hint)
        self.signal_number, self.hint = signal_number, hint

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signal_number).name}{self.hint}"


class Stopped(OrchError):
    """`orch stop` ended the sweep."""

    exit_code = 130

    def __init__(self, hint: str = "") -> None:
        super().__init__(hint)
        self.hint = hint

    def __str__(self) -> str:
        return f"stopped by orch stop{self.hint}"
