"""How much a plan holds, beside what a results directory has already."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


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
