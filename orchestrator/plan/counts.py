"""How much a plan holds, beside what a results directory has already."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.plan.cell import Cell

Lacks = Callable[[Cell], str | None]
"""Why a trial of a cell has no room; None where it has."""


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """How much a plan holds, and how much of it there is already."""

    cells: int
    trials: int
    """Rows of the `trials` table: those of skipped cells are among them, and those that tune."""
    tuning_trials: int
    """Trials that only tune: of each cell that runs, before its seeds."""
    variants: int
    """Trials that make something of the nets that others train."""
    measurements: int
    """Of the nets that they train."""
    updates: int
    """Trials that train along a stream, for the section `update`."""
    skipped: dict[str, int]
    """Reason to the number of cells that are skipped for it."""
    skipped_trials: int
    done: int
    """Trials that are completed or diverged."""
    failed: int
    """Trials that failed, timed out or ran out of memory; they run again with `--retry` only."""
    to_run: int
    """Trials that would run now, without `--retry`."""
    confirmation_trials: int = 0
    """Trials that confirm, on fresh seeds."""
    without_room: dict[str, int] = field(default_factory=dict)
    """Reason to the number of trials that would, and have no room on the cluster."""

    unpredicted: int = 0
    """Trials among `done` of which no predictions are kept, although the grid has them kept: they do not run again."""

    fused: dict[int, int] = field(default_factory=dict)
    """Places of a stack to the trials that train in such stacks."""
    alone: dict[str, int] = field(default_factory=dict)
    """Reason to the number of trials that train alone, although the grid asks to stack them."""

    unweighted: tuple[float, ...] = ()
    """Of each trial among `done` whose weights the grid has kept and are not there, the seconds that it took: none of them
    runs again."""

    @property
    def nothing_can_run(self) -> bool:
        """Whether no trial has run or could: all are skipped."""
        return self.trials > 0 and not self.to_run + self.done + self.failed


@dataclass(frozen=True, slots=True)
class ExistingResults:
    """What a results directory has already."""

    cell_ids: Collection[str]
    statuses: Mapping[str, str]
    """Trial id to status."""
    unpredicted: Collection[str] = frozenset()
    """Trials that were completed, and of which no predictions are kept."""
    unweighted: Mapping[str, float] = field(default_factory=dict)
    """Trials that were completed and have no file of weights, with the seconds that they took."""


class CellOutcome(NamedTuple):
    """What becomes of a cell."""

    skip: str | None
    """Why it is skipped; None where it runs."""
    lacks: str | None
    """Why it has no room, where it would run."""
    tuning: int
    """How many trials tune it."""
    is_variant: bool = False
    """Whether it runs, and makes something of trained nets."""
    measures: bool = False
    """Whether it is about the nets of another cell, run or skipped."""
    is_update: bool = False
    """Whether it trains along a stream, run or skipped."""
    fuse: int = 1
    """Places of the stacks in which its trials train."""
    alone: str | None = None
    """Why they train alone, where the grid asks to stack them."""


def outlook_of(cell: Cell, lacks: Lacks, seeds: Sequence[int]) -> CellOutcome:
    measures = cell.measurement is not None
    updates = cell.is_update and not measures
    if cell.skip is not None:
        return CellOutcome(cell.skip, None, 0, measures=measures, is_update=updates)
    fuse, alone = (1, None) if cell.has_parent else (cell.protocol.fuse, cell.settings.alone)
    return CellOutcome(None, lacks(cell), cell.tuning_total(seeds), cell.is_variant, measures, updates, fuse, alone)
