"""Whether windows of examples come from where a reference came from: a detector, and its null, which is calibrated."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

MIN_REFERENCE: Final = 30
"""Fewer examples are no reference."""
DRAWS: Final = 2_000
"""Windows of which a null is made: a threshold for 5 % then has a rate of 5 % to within half a point (a standard error)."""
HALVES: Final = 100
"""Halves of the reference from which they are drawn, equally many from each."""

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
"""(windows, size): in each row, which examples are in the window."""


@dataclass(frozen=True, slots=True)
class Null:
    """What a detector's statistic is for windows of one size without shift."""

    statistics: Floats
    """Sorted."""

    def threshold(self, alpha: float) -> float:
        """The statistic above which a window is an alarm, so that of windows without shift a share of alpha is.

        Raises ValueError where the null has too few windows to tell.
        """
        draws = len(self.statistics)
        rank = int(np.ceil((draws + 1) * (1 - alpha) - 1e-9))
        if not 0 < alpha < 1 or rank > draws:
            raise ValueError(f"{draws} windows are too few to calibrate a false-alarm rate of {alpha}")
        return float(self.statistics[rank - 1])

    def p_values(self, statistics: Floats) -> Floats:
        """How often a window without shift has such a statistic or a larger one. Of an alarm it is alpha at most."""
        below = np.searchsorted(self.statistics, statistics, side="left")
        return np.asarray((len(self.statistics) - below + 1.0) / (len(self.statistics) + 1.0))


class Detector(ABC):
    """Compares windows with a reference. The larger its statistic, the less a window is like it."""

    name: ClassVar[str]

    def __init__(self, reference: NDArray[Any]) -> None:
        """reference: (n, ...), what the detector looks at of each example.

        Raises ValueError where it is too small, or holds what is not finite.
        """
        if len(reference) < MIN_REFERENCE:
            raise ValueError(f"a reference of {len(reference)} examples is too small: {MIN_REFERENCE} at least")
        self.reference = _finite(reference)

    @abstractmethod
    def _statistics(self, examples: NDArray[Any], windows: Places) -> Floats: ...

    @abstractmethod
    def _p_values(self, examples: NDArray[Any], windows: Places) -> Floats: ...

    def statistics(self, examples: NDArray[Any], windows: Places) -> Floats:
        """The statistic of each window. examples: (m, ...) as the reference. Raises ValueError where they are not."""
        return self._statistics(self._checked(examples, windows), windows)

    def p_values(self, examples: NDArray[Any], windows: Places) -> Floats:
        """The p of each window as textbooks have it, which is not calibrated. Raises ValueError as `statistics` does."""
        return self._p_values(self._checked(examples, windows), windows)

    def null(self, size: int, rng: np.random.Generator, draws: int = DRAWS) -> Null:
        """Calibrate for windows of a size.

        The reference is a sample itself, and differs from where it came from with a variance that falls as 1/n. So does
        a random half of it from the whole, and with the same variance. Each window is therefore drawn from a half, with
        replacement, and compared with the whole: drawn from the whole it would look too much like it, and one half is
        twice as far from the other as it should be. So a threshold keeps its rate on average over references; with one
        that has ten times as many examples as a window it does so nearly by itself.
        """
        halves = [rng.permutation(len(self.reference))[: len(self.reference) // 2] for _ in range(HALVES)]
        windows = np.stack([rng.choice(halves[draw % HALVES], size) for draw in range(draws)])
        return Null(np.sort(self.statistics(self.reference, windows)))

    def _checked(self, examples: NDArray[Any], windows: Places) -> NDArray[Any]:
        if windows.ndim != 2 or windows.shape[1] < 2:
            raise ValueError("a window has two examples at least")
        if examples.shape[1:] != self.reference.shape[1:]:
            raise ValueError(f"examples are {self.reference.shape[1:]} in the reference, and {examples.shape[1:]} here")
        return _finite(examples)


def _finite(examples: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(examples).all():
        raise ValueError("what is not finite can be compared with nothing")
    return examples
