"""What a sweep would do, without doing any of it."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Problem
from orchestrator.grid import read_grid
from orchestrator.plan.counts import ExistingResults, PlanCounts
from orchestrator.plan.extra_seeds import AddedSeeds
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location, load_cluster
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_to_read
from orchestrator.store.version import check_is_results_dir
from orchestrator.sweep.record import NO_ROOM, changed_source
from orchestrator.sweep.room import room_of


@dataclass(frozen=True, slots=True)
class Preview:
    """What `orch plan` shows."""

    name: str
    """Of the sweep."""
    results: Path
    """The results directory that was looked at; it need not exist."""
    counts: PlanCounts
    tuning: str | None
    """What is tuned and how, in words; None where nothing is."""
    missing: tuple[str, ...]
    """Data that a sweep would download first. Its trials have no ids until then, so all of them count as to run."""
    unread: tuple[str, ...]
    """Data of which names, labels and headers have been looked at, and no pixels."""
    warnings: tuple[Problem, ...]
    assumed: str | None
    """What is taken for granted of the cluster, where it could not be asked what it has room for."""
    changed: str | None
    """A warning where the code of finished cells has changed since they ran."""


def preview(
    grid: Path, *, results: Path | None = None, data: Path | None = None, cluster: Path | None = None
) -> Preview:
    """Plan a grid beside what its results directory holds. Writes nothing.

    results: `results/<name>` when not given. Raises UserError, GridError, DamagedResults.
    """
    spec = read_grid(grid)
    where = load_cluster(cluster)
    plan = Plan(spec, data_location(data, grid, where))
    paths = ResultsPaths(results or Path("results") / spec.name)
    check_is_results_dir(paths)
    kept, changed = _known(paths, plan)  # with the seeds that were added there
    room = room_of(where)
    return Preview(
        spec.name,
        paths.root,
        plan.counts(kept, room.lacks),
        spec.tuning.summary() if spec.tuning else None,
        plan.missing,
        tuple(data.level.label for data in plan.data if data.unread),
        plan.warnings,
        room.assumed,
        changed,
    )


def _known(paths: ResultsPaths, plan: Plan) -> tuple[ExistingResults | None, str | None]:
    """Return what there is, and whether code has changed since; nothing where no sweep has run."""
    try:
        journal = Journal.read(journal_to_read(paths))
    except FileNotFoundError:
        return None, None
    try:
        with journal.one_moment():
            plan.added = AddedSeeds.read(journal)
            waiting = dict.fromkeys(journal.skipped_for(NO_ROOM), "pending")  # they run where there is room
            kept = ExistingResults(journal.cell_ids(), journal.statuses() | waiting)
            return kept, changed_source(plan, journal)
    finally:
        journal.close()
