"""Whether a window of examples comes from where a reference came from: detectors, each with a threshold that was calibrated."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

MIN_REFERENCE: Final = 30
"""Fewer examples are no reference."""
DRAWS: Final = 2_000
"""Windows of which a null is made: at 5 % the rate that a threshold gives is then known to half a point."""
HALVES: Final = 100
BATCH: Final = 2_000_000
"""Examples of windows that are looked at together."""

Floats = NDArray[np.float64]
Windows = NDArray[np.intp]
"""(windows, size): each row the places of the examples of one window."""


@dataclass(frozen=True, slots=True)
class Null:
    """What a detector's statistic is for windows of one size without shift."""

    statistics: Floats
    """Sorted."""

    def threshold(self, alpha: float) -> float:
        """The statistic above which a window is an alarm: so are at most a share alpha of windows without shift.

        Raises ValueError where the null has too few windows to tell.
        """
        draws = len(self.statistics)
        rank = int(np.ceil((draws + 1) * (1 - alpha) - 1e-9))
        if not 0 < alpha < 1 or rank > draws:
            raise ValueError(f"a false-alarm rate of {alpha} takes more than {draws} windows to calibrate")
        return float(self.statistics[rank - 1])

    def p_values(self, statistics: Floats) -> Floats:
        """How often a window without shift has such a statistic or a larger one. Below or at alpha it is an alarm."""
        below = np.searchsorted(self.statistics, statistics, side="left")
        return (len(self.statistics) - below + 1.0) / (len(self.statistics) + 1.0)


class Detector(ABC):
    """Compares windows with the whole reference. The larger its statistic, the less a window is like it."""

    name: ClassVar[str]

    def __init__(self, reference: NDArray[Any]) -> None:
        """reference: what is looked at of each example, (n, ...). Raises ValueError where it is too small or not finite."""
        if len(reference) < MIN_REFERENCE:
            raise ValueError(f"a reference has {MIN_REFERENCE} examples at least; this one has {len(reference)}")
        self.reference = _finite(reference)

    @abstractmethod
    def statistics(self, examples: NDArray[Any], windows: Windows) -> Floats:
        """The statistic of each window. examples: as the reference, (m, ...); of NaN and infinity none has a meaning."""

    @abstractmethod
    def p_values(self, examples: NDArray[Any], windows: Windows) -> Floats:
        """The classical p of each window, without calibration: of the distribution that is known or by permutations."""

    def null(self, size: int, rng: np.random.Generator, draws: int = DRAWS) -> Null:
        """Calibrate for windows of a size.

        Each window is drawn from a random half of the reference, with replacement, and compared with the whole. A half
        differs from the whole as much as the whole from where it came from (its variance is 1/n too), so that the null
        has in it that the reference is a sample. Windows from all of it would alarm too seldom expected, windows from a
        part that is compared with the other part too often.
        """
        places = half_windows(len(self.reference), size, draws, rng)
        return Null(np.sort(self.statistics(self.reference, places)))
