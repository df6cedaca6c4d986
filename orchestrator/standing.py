"""What a sweep says of itself in figures: the time that is left, and the best trial so far."""

import time
from dataclasses import dataclass

from trainables.records import TrialResult


@dataclass(slots=True)
class Standing:
    """What is known of the time left and of the best trial."""

    expected: float
    """Work of all trials that this sweep runs, in the queue's measure."""
    best: str | None = None
    _done: float = 0.0
    _value: float | None = None
    _began: float | None = None

    def begin(self) -> None:
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    @property
    def remaining(self) -> float | None:
        if not self._done:
            return None
        return max(0.0, self.elapsed * (self.expected - self._done) / self._done)

    def taken_back(self, work: float) -> None:
        """A trial that had been given up is tried again."""
        self._done -= work

    def concluded(self, work: float, label: str, result: TrialResult | None) -> None:
        self._done += work
        if result is None or result.val is None or result.test is None:  # nothing, or a step of tuning
            return
        value = -result.val.loss if result.val.accuracy is None else result.val.accuracy
        if self._value is None or value > self._value:
            self._value = value
            self.best = f"{label}: {headline(result)}"


def headline(result: TrialResult) -> str:
    """One figure, for the eye."""
    if result.status == "diverged":
        return result.reason or "diverged"
    if result.val is not None and result.test is None:  # it tunes
        if result.val.accuracy is not None:
            return f"validation accuracy {result.val.accuracy:.4f}"
        return f"validation loss {result.val.loss:.4g}"
    if result.test is None:
        return f"{result.epochs} epochs"
    if result.test.accuracy is not None:
        return f"test accuracy {result.test.accuracy:.4f}"
    return f"test loss {result.test.loss:.4g}"
