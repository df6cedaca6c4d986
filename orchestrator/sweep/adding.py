"""Seeds that are added until the claims of a grid are decided: a sweep that comes to its end looks, and goes on."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from orchestrator.grid import GridSpec
from orchestrator.grid.looks import LookPlan
from orchestrator.plan.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths

_LATEST: Final = "SELECT looks FROM environments ORDER BY started_at DESC, rowid DESC LIMIT 1"


def plan_of_looks(grid: GridSpec, journal: Journal, *, add_seeds: bool) -> LookPlan | None:
    """When claims are looked at: as it was planned before, where the grid still asks for that; None where never.

    A plan that is kept holds for verdicts also where nothing is added any more: what it has spent it has spent.
    """
    (kept,) = next(iter(journal.query(_LATEST)), (None,))
    before = None if kept is None else LookPlan.parse(kept)
    if grid.looks is not None:
        return before if before is not None and before.before is None and before.most == grid.most else grid.looks
    if before is not None and len(grid.seeds) <= before.most:
        return before
    return LookPlan.beyond(len(grid.seeds), max(1, len(grid.claims))) if add_seeds else None


@dataclass
class AddingSeeds:
    """Asked whenever nothing waits any more; adds what comes next to the plan and to the journal."""

    plan: Plan
    paths: ResultsPaths
    journal: Journal
    fresh_tables: Callable[[], AbstractContextManager[None]]
    """Writes all tables, and keeps them as they are for as long as they are read."""
    go_on: Callable[[], int]
    """Has what the plan holds now run; returns how many trials wait."""
    note: Callable[[str], None]
    stopped: Callable[[], bool]
    """Whether nothing more is to be begun; raises where the sweep has to end at once."""
    done: bool = False
    """Whether a look has found nothing to add."""
    _told: set[str] = field(default_factory=set)

    def __call__(self) -> bool:
        """Whether there is more to run. Raises UserError, DamagedResults."""
        from orchestrator.evidence.next_seeds import next_seeds  # pandas and scipy, which no other sweep needs

        while not self.stopped():
            self.journal.commit()
            with self.fresh_tables():
                following = next_seeds(self.paths, self.plan.grid)
            if following.look is not None:
                following.look.keep(self.journal)
                self._tell(str(following.look))
            for claim, decide in following.left_open.items():
                self._tell(f"{claim} gets no more seeds: {decide}")
            added = self.plan.added.joined(following.cells)
            if added == self.plan.added:
                self.journal.commit()
                self.done = True
                break
            added.keep(self.journal)
            self.plan.added = added
            if self.go_on():
                return True
        return False

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.note(text)
