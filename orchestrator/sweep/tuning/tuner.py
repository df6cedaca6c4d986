"""One tuning of a cell: what its trials try, how they come out, and what is chosen. Pure: asked and told by the sweep."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from orchestrator.grid.tuning import TuningSpec
from orchestrator.plan.cell import Cell
from orchestrator.sweep.goal import Goal
from orchestrator.sweep.queue import Waiting
from orchestrator.sweep.tuning.algorithms import Search, Stopper, search_of, stopper_of
from trainables.records import EpochRow


@dataclass(slots=True)
class _Try:
    """A tuning trial."""

    values: dict[str, Any] | None = None
    epochs: list[float | None] = field(default_factory=list)
    """The goal's measure, epoch by epoch."""
    ended: bool = False
    score: float | None = None
    """None until it has ended, and where it came to nothing."""


class CellTuner:
    """Knows the trials of one repetition of a cell's tuning by their numbers, 0 to `spec.count - 1`."""

    def __init__(self, cell: Cell, repetition: int = 0) -> None:
        assert cell.tuning is not None and cell.data.task is not None
        self.cell, self.repetition = cell, repetition
        self.spec: TuningSpec = cell.tuning.repetition(repetition)
        self.goal = Goal.of(cell.protocol, cell.data.task)
        self._tries = [_Try() for _ in range(self.spec.count)]
        self._left = self.spec.count
        """Trials that have not ended."""
        self._unreported: list[int] = []
        """Numbers of trials whose outcome the search does not know yet."""

    @property
    def done(self) -> bool:
        """Whether all trials have ended."""
        return not self._left

    def may_begin(self, number: int) -> bool:
        """Whether all trials have ended of which this one learns."""
        return all(each.ended for each in self._tries[: self.spec.before(number)])

    def restore(self, number: int, values: str | None, epochs: Sequence[float | None], ended: str | None) -> None:
        """What the journal has of a trial. values: JSON. ended: its status, or None where it has to run (again)."""
        if values is not None:
            self._tries[number].values = json.loads(values)
        if ended is not None:
            self._tries[number].epochs = list(epochs)
            self._end(number, completed=ended == "completed")

    def suggest(self, number: int) -> dict[str, Any]:
        """The values that a trial tries: those that it had, should it run again."""
        each = self._tries[number]
        if each.values is None:
            while self._unreported:
                self._report(self._unreported.pop(0))
            each.values = self._search.suggest(number)
        return each.values

    def begun(self, number: int) -> None:
        """An attempt begins, perhaps not the first."""
        self._tries[number].epochs.clear()

    def epoch(self, number: int, row: EpochRow) -> bool:
        """An epoch is over. Whether the trial is to end with it."""
        epochs = self._tries[number].epochs
        epochs.append(row.measured(self.goal.measure))
        score = self.goal.score(epochs)
        return score is not None and self._stopper.stops(number, row.epoch, score)

    def ended(self, number: int, *, completed: bool) -> None:
        """A trial is over. One that diverged or failed has used its part of the budget and is never chosen."""
        self._end(number, completed=completed)

    def choice(self) -> dict[str, Any] | None:
        """The values of the best trial, the first among equals; None where none came to anything."""
        best = max(self._tries, key=lambda each: -math.inf if each.score is None else each.score)
        return None if best.score is None else best.values

    def _end(self, number: int, *, completed: bool) -> None:
        each = self._tries[number]
        self._left -= not each.ended
        each.ended = True
        each.score = self.goal.score(each.epochs) if completed else None
        self._unreported.append(number)

    def _report(self, number: int) -> None:
        each = self._tries[number]
        if each.values is not None:
            self._search.tell(number, each.values, each.score)

    @cached_property
    def _search(self) -> Search:
        return search_of(self.spec)

    @cached_property
    def _stopper(self) -> Stopper:
        stopper = stopper_of(self.spec, self.cell.protocol.epochs)
        for number, each in enumerate(self._tries):  # of an earlier sweep
            for epoch in range(1, len(each.epochs) + 1) if each.ended else ():
                score = self.goal.score(each.epochs[:epoch])
                if score is not None:
                    stopper.stops(number, epoch, score)
        return stopper


# What waits for a cell to be tuned: its evaluation trials, and the tuner that they wait for.


@dataclass(frozen=True, slots=True)
class DeferredTrial:
    """An evaluation trial of a tuned cell, as the results directory has it."""

    trial_id: str
    seed: int
    status: str
    tuned: str | None
    """The values (JSON) that it ran with, if it ran."""


@dataclass(slots=True)
class DeferredCell:
    """A tuned cell until a repetition of its tuning is done, with the seeds that run with what that chooses."""

    tuner: CellTuner
    trials: list[DeferredTrial]
    expected: float
    """Work of each of its trials, in the queue's measure."""
    ended: frozenset[str]
    """Statuses of trials that do not run again."""
    held: list[Waiting]
    """Tuning trials that wait until all of an earlier generation have ended."""

    @property
    def cell(self) -> Cell:
        return self.tuner.cell

    def take_held(self) -> list[Waiting]:
        """Those that may begin."""
        begin = [waiting for waiting in self.held if waiting.tuning is None or self.tuner.may_begin(waiting.tuning)]
        self.held = self.held[len(begin) :]
        return begin

    def waiting(self, values: str | None) -> Iterator[DeferredTrial]:
        """All but the trials that came to their end under these values (JSON), or at all where there are no values."""
        return (
            trial
            for trial in self.trials
            if trial.status not in self.ended or (values is not None and trial.tuned != values)
        )


@dataclass(slots=True)
class DeferredCells:
    """All cells of a sweep whose tuning is not done, by cell id and repetition."""

    _cells: dict[tuple[str, int], DeferredCell] = field(default_factory=dict)

    def add(self, deferred: DeferredCell) -> None:
        self._cells[deferred.cell.cell_id, deferred.tuner.repetition] = deferred

    def tuner(self, waiting: Waiting) -> CellTuner:
        """The tuner that a tuning trial belongs to."""
        return self._of(waiting).tuner

    def take_held(self, ended: Waiting) -> list[Waiting]:
        """The tuning trials that may begin now that another has ended: those of the next generation, or none."""
        return self._of(ended).take_held()

    def take_done(self, ended: Waiting | None = None) -> Iterator[DeferredCell]:
        """Take out the cells whose tuning is done. ended: a trial of the only one that may have changed; None: any may."""
        some = self._cells.values() if ended is None else [self._of(ended)]
        done = [(each.cell.cell_id, each.tuner.repetition) for each in some if each.tuner.done]
        return (self._cells.pop(key) for key in done)

    def _of(self, waiting: Waiting) -> DeferredCell:
        return self._cells[waiting.cell.cell_id, waiting.repetition]

    @property
    def cells(self) -> Iterator[Cell]:
        """Return the cells of which trials will wait when their tuning is done."""
        return (deferred.cell for deferred in self._cells.values())

    @property
    def left(self) -> int:
        """Trials that wait for others to end."""
        waiting = sum(trial.status not in cell.ended for cell in self._cells.values() for trial in cell.trials)
        return waiting + sum(len(cell.held) for cell in self._cells.values())

    @property
    def expected(self) -> float:
        """Their work."""
        return sum(
            cell.expected * (len(cell.held) + sum(trial.status not in cell.ended for trial in cell.trials))
            for cell in self._cells.values()
        )
