"""What a sweep would do, without doing any of it."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Problem
from orchestrator.grid import read_grid
from orchestrator.places import data_place
from orchestrator.plan import Kept, Plan, PlanCounts
from orchestrator.planned import changed_source
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths


@dataclass(frozen=True, slots=True)
class Preview:
    """What `orch plan` shows."""

    name: str
    """Of the sweep."""
    results: Path
    """The results directory that was looked at; it need not exist."""
    counts: PlanCounts
    missing: tuple[str, ...]
    """Data that a sweep would download first. Its trials have no ids until then, so all of them count as to run."""
    warnings: tuple[Problem, ...]
    changed: str | None
    """A warning where the code of finished cells has changed since they ran."""


def preview(grid: Path, *, results: Path | None = None, data: Path | None = None) -> Preview:
    """Plan a grid beside what its results directory holds. Writes nothing.

    results: `results/<name>` when not given. Raises UserError, GridError, DamagedResults.
    """
    spec = read_grid(grid)
    plan = Plan(spec, data_place(data, grid))
    paths = ResultsPaths(results or Path("results") / spec.name)
    kept, changed = _known(paths, plan)
    return Preview(spec.name, paths.root, plan.counts(kept), plan.missing, plan.warnings, changed)


def _known(paths: ResultsPaths, plan: Plan) -> tuple[Kept | None, str | None]:
    """What there is, and whether code has changed since; nothing where no sweep has run."""
    try:
        journal = Journal.read(paths.journal)
    except FileNotFoundError:
        return None, None
    try:
        return Kept(journal.cell_ids(), journal.statuses()), changed_source(plan, journal)
    finally:
        journal.close()
