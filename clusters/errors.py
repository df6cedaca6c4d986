"""What can go wrong with a cluster.

ClusterError              anything this package raises on purpose
├── ClusterSpecError      the cluster file cannot be used; carries every problem
├── ClusterUnreachable    nothing answers at the address, or it refuses us
├── NoTemporaryFolder     there is no place on this machine for temporary files; carries the fix
└── ClusterLost           it answered before and does not any more
"""

from collections.abc import Sequence


def first_line(said: Exception | str) -> str:
    """Return the first line of a message; the name of the error's class where it says nothing."""
    return _lines(said)[0]


def last_line(said: Exception | str) -> str:
    """The same of the last: Ray's own messages bring a traceback along."""
    return _lines(said)[-1]


def _lines(said: Exception | str) -> list[str]:
    return str(said).strip().splitlines() or ["" if isinstance(said, str) else type(said).__name__]


class ClusterError(Exception):
    """Base of all errors that `clusters` raises on purpose."""


class ClusterSpecError(ClusterError):
    """The cluster file cannot be used."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class ClusterUnreachable(ClusterError):
    """Nothing answers at the address, or it refuses us."""


class NoTemporaryFolder(ClusterError):
    """There is no place on this machine for temporary files."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found, fix)
        self.found, self.fix = found, fix

    def __str__(self) -> str:
        return f"{self.found}; {self.fix}"


class ClusterLost(ClusterError):
    """The cluster answered before and does not any more."""
