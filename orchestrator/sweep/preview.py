"""What a sweep would do, without doing any of it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clusters.environment import prepare_environment
from clusters.errors import ClusterError
from clusters.nodes import Node, local_nodes
from clusters.spec import ClusterSpec
from orchestrator.engine import Shape
from orchestrator.engine.placement import never_fits
from orchestrator.errors import Problem
from orchestrator.grid import read_grid
from orchestrator.grid.looks import LookPlan
from orchestrator.plan.cell import Cell
from orchestrator.plan.confirmation import ConfirmationSeeds
from orchestrator.plan.counts import ExistingResults, PlanCounts
from orchestrator.plan.extra_seeds import AddedSeeds
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location, load_cluster
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_to_read
from orchestrator.store.sql import TESTS, TRIAL_SECONDS
from orchestrator.store.version import check_is_results_dir
from orchestrator.sweep.adding import plan_of_looks
from orchestrator.sweep.left_behind import LeftBehind, left_behind
from orchestrator.sweep.planned_arms import PlannedArms, planned_arms
from orchestrator.sweep.planned_seeds import most_trials
from orchestrator.sweep.queue import Packing
from orchestrator.sweep.record import NO_ROOM, changed_source
from orchestrator.sweep.variants import without_weights


@dataclass(frozen=True, slots=True)
class Preview:
    """What `orch plan` shows."""

    name: str
    """Of the sweep."""
    results: Path
    """The results directory that was looked at; it need not exist."""
    counts: PlanCounts
    looks: LookPlan | None
    """When claims are looked at, where seeds are added until they are decided."""
    most_trials: int | None
    """How many trials there may be then; None where their number is fixed."""
    tuning: str | None
    """What is tuned and how, in words; None where nothing is."""
    missing: tuple[str, ...]
    """Data that a sweep would download first. Its trials have no ids until then, so all of them count as to run."""
    unread: tuple[str, ...]
    """Data of which names, labels and headers have been looked at, and no pixels."""
    warnings: tuple[Problem, ...]
    assumed: str | None
    """What is taken for granted of the cluster, where it could not be asked what it has room for."""
    arms: tuple[PlannedArms, ...]
    """What else differs between the arms of each claim."""
    changed: str | None
    """A warning where the code of finished cells has changed since they ran."""
    left: tuple[LeftBehind, ...]
    """Finished trials that the grid does not name, and by what."""
    untrained: tuple[float, ...]
    """Of each trial whose net is gone and of which something is to be made, the seconds that training it again takes."""


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
    kept, changed, left, looks, gone = _known(paths, plan)  # with the seeds that were added there
    room = room_of(where)
    return Preview(
        spec.name,
        paths.root,
        plan.counts(kept, room.lacks),
        looks,
        None if looks is None else most_trials(plan, looks.most),
        spec.tuning.summary(in_folds=any(data.dataset.folds is not None for data in plan.data))
        if spec.tuning
        else None,
        plan.missing,
        tuple(data.level.label for data in plan.data if data.unread),
        plan.warnings,
        room.assumed,
        planned_arms(plan),
        changed,
        left,
        gone,
    )


def _known(
    paths: ResultsPaths, plan: Plan
) -> tuple[ExistingResults | None, str | None, tuple[LeftBehind, ...], LookPlan | None, tuple[float, ...]]:
    """Return what there is, whether code has changed since, what is left behind, when claims are looked at, and what it
    takes to train the nets again that are gone.
    """
    try:
        journal = Journal.read(journal_to_read(paths), as_planned=True)
    except FileNotFoundError:
        return None, None, (), plan.grid.looks, ()
    try:
        with journal.one_moment():
            plan.added, plan.confirming = AddedSeeds.read(journal), ConfirmationSeeds.read(journal)
            waiting = dict.fromkeys(journal.skipped_for(NO_ROOM), "pending")  # they run where there is room
            unweighted = _unweighted(paths, journal)
            kept = ExistingResults(journal.cell_ids(), journal.statuses() | waiting, journal.unpredicted(), unweighted)
            gone = tuple(unweighted.get(trial, 0.0) for trial in without_weights(plan, journal, paths))
            until = plan.grid.most is not None
            looks = plan_of_looks(plan.grid, journal, add_seeds=False) if until else None
            return kept, changed_source(plan, journal), left_behind(plan, journal), looks, gone
    finally:
        journal.close()


def _unweighted(paths: ResultsPaths, journal: Journal) -> dict[str, float]:
    """Completed trials that evaluate and have no file of weights, with their seconds."""
    there: set[str] = set()
    with suppress(FileNotFoundError):
        there = {path.stem for path in paths.all_weights.iterdir()}
    which = f"status = 'completed' AND {TESTS}"
    rows = journal.query(f"SELECT trial_id, {TRIAL_SECONDS} FROM trials WHERE {which}")
    return {trial: seconds or 0.0 for trial, seconds in rows if trial not in there}


# What a cluster has room for, asked before anything runs.


@dataclass(frozen=True, slots=True)
class Room:
    """What one cluster has room for."""

    lacks: Callable[[Cell], str | None]
    """Why a trial of the cell has no room there; None where it has."""
    assumed: str | None = None
    """What is taken for granted, where the cluster could not be asked."""


def room_of(cluster: ClusterSpec) -> Room:
    """Return what there is: this machine's size is known; a cluster whose Ray runs is asked, which starts nothing there."""
    if cluster.access.starts_ray:
        return _among(local_nodes(cluster), cluster)
    if cluster.autoscaling:
        return Room(
            _anywhere, f"{cluster.name} adds nodes when they are asked for: all trials are assumed to have room there"
        )
    try:
        return _among(_nodes(cluster), cluster)
    except ClusterError as error:
        return Room(
            _anywhere,
            f"{cluster.name} cannot be asked what it has room for ({error}): all trials are assumed to have room there",
        )


def _anywhere(_: Cell) -> None:
    return None


def _among(nodes: tuple[Node, ...], cluster: ClusterSpec) -> Room:
    packing = Packing(cluster.slots.gpu_share)

    @cache
    def reason(shape: Shape) -> str | None:
        found = never_fits(shape, nodes, cluster.name)
        return None if found is None else f"{NO_ROOM}{found}"

    return Room(lambda cell: reason(packing.shape(cell)))


def _nodes(cluster: ClusterSpec) -> tuple[Node, ...]:
    """Raises ClusterError."""
    prepare_environment(cluster)  # Ray reads it when it is imported
    from clusters.ray_cluster import RayCluster
    from orchestrator.engine.code import CODE

    ray = RayCluster(cluster.model_copy(update={"code": "installed"}), CODE)  # nothing of ours is to run there
    try:
        ray.open()
        return ray.nodes
    finally:
        ray.close()
