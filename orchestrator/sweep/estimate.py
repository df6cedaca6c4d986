"""What a sweep says of itself in figures: the time that is left, and the best trial so far."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.plan.progress import Running, Snapshot
from orchestrator.sweep.goal import Goal
from trainables.records import TrialResult


@dataclass(slots=True)
class SweepEstimate:
    """What is known of all trials together: how many have come to what, the time left, and the best of them."""

    _counts: Counter[str]
    """Planned trials by status, none of them 0."""
    expected: float = 0.0
    """Work of all trials that this sweep runs, in the queue's measure."""
    _best: dict[str, tuple[float, str]] = field(default_factory=dict)
    """By measure: the score, the greater the better, and the trial in words."""
    _done: float = 0.0
    _began: float | None = None

    def count(self, counts: dict[str, int]) -> None:
        """Trials have joined the plan. counts: of all, by status."""
        self._counts = Counter(counts)

    def move(self, old: str, new: str) -> None:
        """One trial has another status."""
        self._counts[old] -= 1
        self._counts[new] += 1
        if not self._counts[old]:
            del self._counts[old]

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

    @property
    def best(self) -> str | None:
        """The best trial so far in words: of each measure that trials are selected by."""
        return "; ".join(words for _, words in self._best.values()) or None

    def snapshot(self, running: Iterable[Running] = ()) -> Snapshot:
        """What is shown of the sweep while these trials run."""
        counts = dict(self._counts)
        return Snapshot(counts, sum(counts.values()), self.elapsed, self.remaining, tuple(running), self.best)

    def concluded(self, work: float, label: str, result: TrialResult | None, goal: Goal) -> None:
        """goal: what the trial is selected by."""
        self._done += work
        if result is None or result.test is None:  # nothing, or a step of tuning
            return
        score = goal.score([goal.of_scores(result.val)])
        if score is not None and (goal.measure not in self._best or score > self._best[goal.measure][0]):
            self._best[goal.measure] = (score, f"{headline(result, goal)}: {label}")


def headline(result: TrialResult, goal: Goal) -> str:
    """Format one figure, of validation: nobody looks at the test split while trials have still to run."""
    if result.status == "diverged":
        return result.reason or "diverged"
    if result.headlines is not None:
        found = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in result.headlines.found())
        return found or "measured"
    value = goal.of_scores(result.val)
    if value is None:
        return f"{result.epochs} epochs"
    return f"{goal.title} {value:.4f}" if goal.better == "higher" else f"{goal.title} {value:.4g}"
