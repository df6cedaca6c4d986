"""What waits for a cell to be tuned: its evaluation trials, and the tuner that they wait for."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.cell import Cell
from orchestrator.queue import Waiting
from orchestrator.tuning.tuner import CellTuner


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
    """A tuned cell until its tuning is done."""

    tuner: CellTuner
    trials: list[DeferredTrial]
    expected: float
    """Work of each of its trials, in the queue's measure."""
    ended: frozenset[str]
    """Statuses of trials that do not run again."""
    held: list[Waiting]
    """Tuning trials that wait until others have ended."""

    @property
    def cell(self) -> Cell:
        return self.tuner.cell

    def waiting(self, values: str | None) -> Iterator[DeferredTrial]:
        """All but the trials that came to their end under these values (JSON), or at all where there are no values."""
        return (
            trial
            for trial in self.trials
            if trial.status not in self.ended or (values is not None and trial.tuned != values)
        )


@dataclass(slots=True)
class DeferredCells:
    """All cells of a sweep whose tuning is not done, by cell id."""

    _cells: dict[str, DeferredCell] = field(default_factory=dict)

    def add(self, deferred: DeferredCell) -> None:
        self._cells[deferred.cell.cell_id] = deferred

    def tuner(self, cell: Cell) -> CellTuner:
        """Of a cell whose tuning is not done."""
        return self._cells[cell.cell_id].tuner

    def take_held(self, cell: Cell) -> Waiting | None:
        """A tuning trial may begin, since another has ended; None where no other is left."""
        held = self._cells[cell.cell_id].held
        return held.pop(0) if held else None

    def take_done(self) -> Iterator[DeferredCell]:
        """Those whose tuning is done, which are no longer among them."""
        done = [cell_id for cell_id, deferred in self._cells.items() if deferred.tuner.done]
        return (self._cells.pop(cell_id) for cell_id in done)

    @property
    def cells(self) -> Iterator[Cell]:
        """Those of which trials will wait when their tuning is done."""
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
