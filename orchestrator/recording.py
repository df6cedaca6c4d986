"""The plan's trials become the journal's; those that have to run are queued, or wait for their cell's tuning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.cell import Cell
from orchestrator.counting import FlopCounter
from orchestrator.expected import Expectation
from orchestrator.grid.kept_labels import labels_in_directory
from orchestrator.packing import Packing
from orchestrator.plan import Plan
from orchestrator.planned import cell_row, trial_rows, tuning_rows
from orchestrator.queue import TrialQueue, Waiting
from orchestrator.store.journal import Journal
from orchestrator.store.planning import PlannedRow
from orchestrator.tuning.deferred import DeferredCell, DeferredCells, DeferredTrial
from orchestrator.tuning.tuner import CellTuner
from results_schema import ENDED, OPEN, RETRYABLE
from trainables.model import Model

NO_ROOM: Final = "no room on this cluster: "
"""Begins the reason of a trial that was skipped for what it needs: on another cluster it runs."""


@dataclass(frozen=True, slots=True)
class ToRun:
    """What a sweep has to do."""

    packing: Packing
    queue: TrialQueue
    deferred: DeferredCells = field(default_factory=DeferredCells)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the results directory has, and which of it runs again."""

    statuses: Mapping[str, str]
    tuned: Mapping[str, str]
    runs: frozenset[str]
    """Statuses of trials that run (again)."""
    without_room: frozenset[str]
    """Trials that were skipped for what they need."""

    def has_to_run(self, row: PlannedRow) -> bool:
        status = self.statuses.get(row.trial_id, "pending")
        if (status, row.purpose) == ("skipped", "tuning"):  # for the values that it drew, which the plan does not know
            return row.trial_id in self.without_room
        return status in self.runs


def record_plan(
    plan: Plan,
    journal: Journal,
    examples: Mapping[str, int],
    packing: Packing,
    note: Callable[[str], None],
    *,
    retry: bool,
) -> ToRun:
    """examples: how many each data set has, by its label. note: tells the user something."""
    again = RETRYABLE if retry else frozenset()
    # the plan says anew what is skipped
    kept = _Kept(journal.statuses(), journal.tuned_values(), OPEN | {"skipped"} | again, journal.skipped_for(NO_ROOM))
    to_run = ToRun(packing, TrialQueue(packing))
    with FlopCounter(note) as counter, journal.planning(plan.grid.name, again) as planning:
        expectation = Expectation(journal.seconds_by_cell(), counter.count, alike=plan.of_one_model)
        for cell in plan.cells():
            rows = list(trial_rows(cell, plan.seeds_of(cell)))
            tuning = list(tuning_rows(cell))
            planning.add(cell_row(cell), [*tuning, *rows])
            runs = cell.skip is None and any(kept.has_to_run(row) for row in (*tuning, *rows))
            if not runs:
                continue
            expected = _expected(cell, expectation, examples)
            first = [
                Waiting(-expected, len(to_run.queue) + number, row.trial_id, row.seed, cell, number if tuning else None)
                for number, row in enumerate(tuning or rows)
                if kept.has_to_run(row)
            ]
            if cell.tuning is not None:
                first, held = first[: cell.tuning.at_once], first[cell.tuning.at_once :]
                tuner, trials = _restored(cell, tuning, kept, journal), [_deferred(row, kept) for row in rows]
                to_run.deferred.add(DeferredCell(tuner, trials, expected, frozenset(ENDED - kept.runs), held))
            for waiting in first:
                to_run.queue.add(waiting)
        planning.name_levels(labels_in_directory)
    journal.commit()
    return to_run


def _restored(cell: Cell, tuning: Sequence[PlannedRow], kept: _Kept, journal: Journal) -> CellTuner:
    """The cell's tuner as earlier sweeps have left it."""
    tuner = CellTuner(cell)
    for number, row in enumerate(tuning):
        values = kept.tuned.get(row.trial_id)
        if kept.has_to_run(row):
            tuner.restore(number, values, (), None)
        else:
            epochs = journal.by_epoch(row.trial_id, tuner.goal.measure)
            tuner.restore(number, values, epochs, kept.statuses[row.trial_id])
    return tuner


def _deferred(row: PlannedRow, kept: _Kept) -> DeferredTrial:
    status = "pending" if kept.has_to_run(row) else kept.statuses[row.trial_id]
    return DeferredTrial(row.trial_id, row.seed, status, kept.tuned.get(row.trial_id))


def _expected(cell: Cell, expectation: Expectation, examples: Mapping[str, int]) -> float:
    data, model = cell.data, cell.model.config
    assert data.info is not None and isinstance(model, Model)
    return expectation.seconds(cell.cell_id, model, data.info, examples[data.level.label], cell.protocol.epochs)
