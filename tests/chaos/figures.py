"""What is counted of faults."""

from dataclasses import dataclass


class Broken(AssertionError):
    """The invariant does not hold: a defect of the program."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one case of a fault, or of several added up."""

    times: int = 1
    lost: int = 0
    """Planned trials without a row."""
    twice: int = 0
    """Trials with two rows."""
    again: int = 0
    """Finished (committed) trials that ran again."""
    window: int = 0
    """Trials that had ended after the last commit, and so ran again."""
    in_flight: int = 0
    """Trials that were running, and so ran again."""
    slowest: float = 0.0
    """Seconds from the fault to the end of the last process, of the slowest case."""

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.times + other.times,
            self.lost + other.lost,
            self.twice + other.twice,
            self.again + other.again,
            self.window + other.window,
            self.in_flight + other.in_flight,
            max(self.slowest, other.slowest),
        )


NOTHING = Figures(times=0)
