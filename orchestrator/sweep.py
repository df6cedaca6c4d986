"""The loop: plan -> engine -> store. The only place where a trial changes state."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.engine import Broke, Ended, EpochDone, Event, Shape, Started
from orchestrator.engine.retry import decide
from orchestrator.progress import Progress, Running, Snapshot
from orchestrator.queue import TrialQueue, Waiting
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from trainables.dataset import DataPlace
from trainables.order import TrialOrder
from trainables.records import TrialResult

COMMIT_PERIOD: Final = 0.1
"""Seconds between two commits: what a crash of the machine can take back at most."""
BEAT_PERIOD: Final = 0.25
"""Seconds between two looks at the display."""


@dataclass(slots=True)
class Leased:
    """A trial that a slot holds."""

    waiting: Waiting
    attempt: int
    epoch: int = 0
    begun: bool = False


class Sweep:
    """Implements the engine's `Work`: hands out trials, records what happens to them, decides on retries."""

    def __init__(
        self,
        journal: Journal,
        queue: TrialQueue,
        paths: ResultsPaths,
        place: DataPlace,
        environment_id: str,
        progress: Progress,
        stop: Callable[[], None],
    ) -> None:
        """stop: raises Interrupted when the sweep has to end."""
        self._journal, self._queue, self._paths, self._place = journal, queue, paths, place
        self._environment_id, self._progress, self._stop = environment_id, progress, stop
        self._attempts = journal.attempts()
        self._tries: Counter[str] = Counter()
        self._leased: dict[str, Leased] = {}
        self._counts = Counter(journal.counts())
        self._standing = Standing(expected=queue.expected)
        self._committed = self._beaten = time.monotonic()
        self.first_order: float | None = None
        """Monotonic time at which the first trial was handed out."""
        self.last_row = self._committed
        """Monotonic time at which the latest end of a trial was written."""

    # what the engine asks

    def shapes(self) -> Sequence[Shape]:
        return self._queue.shapes()

    def waiting(self, shape: Shape) -> int:
        return self._queue.count(shape)

    def take(self, shape: Shape) -> TrialOrder | None:
        waiting = self._queue.take(shape)
        if waiting is None:
            return None
        if self.first_order is None:
            self.first_order = time.monotonic()
            self._standing.begin()
        self._attempts[waiting.trial_id] = attempt = self._attempts.get(waiting.trial_id, 0) + 1
        self._leased[waiting.trial_id] = Leased(waiting, attempt)
        spec = waiting.cell.spec(waiting.seed)
        weights = self._paths.weights(waiting.trial_id) if spec.protocol.keep_weights == "best" else None
        picture = self._paths.picture(waiting.trial_id)
        return TrialOrder(waiting.trial_id, attempt, spec, self._place, weights, picture)

    def give_back(self, order: TrialOrder) -> None:
        leased = self._leased.pop(order.trial_id)
        self._attempts[order.trial_id] -= 1
        self._queue.add(leased.waiting.cell.shape, leased.waiting)

    # what the engine tells

    def tell(self, event: Event) -> None:
        leased = self._leased[event.trial_id]
        match event:
            case Started():
                leased.begun = True
                self._journal.started(event, self._environment_id)
                self._move("pending", "running")
            case EpochDone():
                leased.epoch = event.row.epoch
                self._journal.epoch_done(event)
            case Ended():
                self._journal.ended(event)
                self._conclude(event.trial_id, event.result.status, _headline(event.result), event.result)
            case Broke():
                self._break(event, leased)

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._committed >= COMMIT_PERIOD:
            self._journal.commit()
            self._committed = now
        if now - self._beaten >= BEAT_PERIOD:
            self._beaten = now
            self._progress.beat(self.snapshot())
        self._stop()

    def snapshot(self) -> Snapshot:
        """Where the sweep stands."""
        return Snapshot(
            counts=dict(self._counts),
            total=sum(self._counts.values()),
            elapsed=self._standing.elapsed,
            remaining=self._standing.remaining,
            running=tuple(_running(leased) for leased in self._leased.values() if leased.begun),
            best=self._standing.best,
        )

    # inside

    def _break(self, event: Broke, leased: Leased) -> None:
        self._tries[event.trial_id] += 1
        decision = decide(event.failure, self._tries[event.trial_id])
        if not leased.begun:  # its process died before it could say that it had begun
            self._journal.started(_start_of(event), self._environment_id)
            self._move("pending", "running")
        self._journal.broke(event, decision.status, decision.reason)
        if decision.status is not None:
            self._conclude(event.trial_id, decision.status, decision.reason, None)
            return
        del self._leased[event.trial_id]
        self._move("running", "pending")
        self._queue.add(leased.waiting.cell.shape, leased.waiting)
        self._progress.note(f"{_label(leased.waiting)}: {decision.reason}")

    def _conclude(self, trial_id: str, status: str, detail: str, result: TrialResult | None) -> None:
        waiting = self._leased.pop(trial_id).waiting
        self.last_row = time.monotonic()
        self._move("running", status)
        label = _label(waiting)
        self._standing.concluded(-waiting.expected, label, result)
        self._progress.finished(label, status, detail, self.snapshot())

    def _move(self, old: str, new: str) -> None:
        self._counts[old] -= 1
        self._counts[new] += 1
        if not self._counts[old]:
            del self._counts[old]


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

    def concluded(self, work: float, label: str, result: TrialResult | None) -> None:
        self._done += work
        if result is None or result.val is None:
            return
        value = -result.val.loss if result.val.accuracy is None else result.val.accuracy
        if self._value is None or value > self._value:
            self._value = value
            self.best = f"{label}: {_headline(result)}"


def _headline(result: TrialResult) -> str:
    """One figure, for the eye."""
    if result.status == "diverged":
        return result.reason or "diverged"
    if result.test is None:
        return f"{result.epochs} epochs"
    if result.test.accuracy is not None:
        return f"test accuracy {result.test.accuracy:.4f}"
    return f"test loss {result.test.loss:.4g}"


def _label(waiting: Waiting) -> str:
    return f"{waiting.cell.label} seed {waiting.seed}"


def _running(leased: Leased) -> Running:
    waiting = leased.waiting
    label = _label(waiting)
    return Running(waiting.trial_id, label, leased.epoch, waiting.cell.protocol.epochs)


def _start_of(event: Broke) -> Started:
    return Started(event.trial_id, event.attempt, "unknown", "unknown", 0, event.at)
