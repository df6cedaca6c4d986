"""A whole sweep, step by step: read, plan, prepare the data, lock, run, export."""

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from clusters.nodes import local_nodes
from clusters.spec import ClusterSpec
from orchestrator.engine import Engine, RunTrial, Shape
from orchestrator.engine.forks import begin, fork_server
from orchestrator.engine.opening import ray_engine
from orchestrator.engine.placement import never_fits
from orchestrator.errors import InfrastructureLost, Interrupted, ResultsGone, ResultsRemoved, Stopped, UserError
from orchestrator.grid import GridSpec, read_grid, read_text
from orchestrator.grid.looks import LookPlan
from orchestrator.plan.counts import ExistingResults
from orchestrator.plan.extra_seeds import AddedSeeds
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location, load_cluster, prepare_data
from orchestrator.plan.progress import Progress
from orchestrator.store.checkpoints import CheckpointStore
from orchestrator.store.journal import Journal
from orchestrator.store.local_path import whole_path
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.waiting import Written
from orchestrator.sweep.adding import AddingSeeds, plan_of_looks
from orchestrator.sweep.confirm import confirming
from orchestrator.sweep.environment import observe
from orchestrator.sweep.left_behind import left_behind
from orchestrator.sweep.loop import Sweep
from orchestrator.sweep.measuring import to_measure, with_measurements
from orchestrator.sweep.only import named_trials, tell_of_ended
from orchestrator.sweep.planned_seeds import most_trials
from orchestrator.sweep.queue import Packing
from orchestrator.sweep.record import PendingWork, changed_source, record_plan
from orchestrator.sweep.retrain import retrain_parents
from orchestrator.sweep.session import open_session, reported
from orchestrator.sweep.source_watch import SourceWatch
from orchestrator.sweep.stop import StopChecks, Stopping, StopRequest
from orchestrator.sweep.summary import REASONS_SHOWN, SweepSummary, summary_of
from orchestrator.sweep.variants import refuse_without_weights
from orchestrator.text import command_line, counted
from orchestrator.wandb.process import many_runs, open_key_files
from orchestrator.wandb.settings import wished
from results_schema import still_to_run
from trainables.context import Context
from trainables.dataset import DataLocation
from trainables.interfaces import Measurement
from trainables.records import TrialResult
from trainables.spec import TrialTask

# What a user asks of a sweep.

EngineName = Literal["ray", "inline"]
_NOTHING: Final = ExistingResults(cell_ids=(), statuses={})


def run_trial(trial_task: TrialTask, context: Context) -> TrialResult:
    """`trainables.stages.run.run_task`. It needs torch, which is there where a trial runs, not in Ray's driver."""
    from trainables.stages.run import run_task as run

    return run(trial_task, context)


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What a user asks for."""

    grid: Path
    cluster: Path | None = None
    engine: EngineName = "ray"
    results: Path | None = None
    data: Path | None = None
    max_trials: int = 100_000
    seeds: int | None = None
    add_seeds: bool = False
    """Whether seeds are added until the claims are decided, where the grid has a fixed number."""
    only: tuple[str, ...] = ()
    """Beginnings of the ids of trials that are to run alone; empty for all."""
    confirm: int | None = None
    """How many fresh seeds the cell that came first and its rivals run on: 0, as many as the grid has; None: none."""
    retrain_parents: bool = False
    """Whether nets are trained again of which something is to be made and whose weights were not kept."""
    keep_weights: bool = False
    """Whether every trial keeps its weights, whatever the grid says."""
    measure: tuple[Measurement, ...] = ()
    """What is to be found out about trials that have completed, and nothing else is to run; empty for a sweep."""
    text: str | None = None
    """The grid as a sweep has recorded it; `grid` is then only where it is taken to lie. None: it is read from there."""
    retry: bool = False
    wandb_mode: str | None = None
    run_trial: RunTrial = run_trial


# Runs what a sweep has to run, and says how to go on where something ends it early.


def execute(
    request: SweepRequest,
    cluster: ClusterSpec,
    sweep: Sweep,
    journal: Journal,
    stopping: Stopping,
    progress: Progress,
    more: Callable[[], bool] = bool,
) -> None:
    """Run the queue, and what there is more. Whatever ends it early, what was running is recorded as cancelled."""
    try:
        _run(request, cluster, sweep, stopping, progress, more)
    except Stopped as stopped:
        journal.cancel_running(str(stopped))
        raise stopped_by_request(journal) from None
    except Interrupted as interrupted:
        journal.cancel_running(str(interrupted))
        raise Interrupted(
            interrupted.signal_number, f"; everything finished is kept. To go on: {command_line()}"
        ) from None
    except ResultsRemoved as removed:
        raise ResultsRemoved(f"{removed}: {command_line()}") from None
    except ResultsGone as gone:
        journal.cancel_running(str(gone))
        raise
    except InfrastructureLost as lost:
        journal.cancel_running(str(lost))
        raise InfrastructureLost(f"{lost}. To go on: {command_line()}") from lost
    finally:
        with suppress(ResultsGone):
            journal.commit()  # the final export, which comes next, reads what is committed


def _run(
    request: SweepRequest,
    cluster: ClusterSpec,
    sweep: Sweep,
    stopping: Stopping,
    progress: Progress,
    more: Callable[[], bool],
) -> None:
    try:
        if not sweep.left and not more():
            return
        with _engine(request, cluster, sweep, progress) as engine:
            stopping.retake()
            engine.run(sweep)
            while not sweep.left and more():  # some are left where it was asked to stop
                engine.run(sweep)
    except SystemExit:  # Ray's own handler of SIGTERM, in place from its start to our `retake`
        raise Interrupted(signal.SIGTERM) from None
    except InfrastructureLost:
        stopping.check()  # a signal to the whole process group ends Ray's processes, and may end them first
        raise


def _engine(
    request: SweepRequest, cluster: ClusterSpec, sweep: Sweep, progress: Progress
) -> AbstractContextManager[Engine]:
    if request.engine == "inline":
        # it trains in this process, so it needs torch, which Ray's driver does without
        from orchestrator.engine.inline import InlineEngine

        return nullcontext(InlineEngine(request.run_trial))
    progress.note("starting Ray on this machine" if cluster.access.starts_ray else f"joining Ray at {cluster.address}")
    return ray_engine(cluster, request.run_trial, sweep)


def stopped_by_request(journal: Journal) -> Stopped:
    left = still_to_run(journal.counts())
    return Stopped(f"; {counted(left, 'trial')} {'waits' if left == 1 else 'wait'}. To go on: {command_line()}")


# How a sweep ended.


@fork_server()  # one for all of it: what counts operations, and the slots of a local Ray
def run_sweep(request: SweepRequest, progress: Progress) -> SweepSummary:
    """Run what is missing of a grid. Raises the errors of `orchestrator.errors`.

    Nothing is written, and no Ray is started, before the grid, the cluster file, the data and the resources have been
    found to be in order.
    """
    began = time.monotonic()
    ready = _ready(request, progress)
    grid, paths = ready.plan.grid, ready.paths
    if request.retrain_parents:
        retrain_parents(ready.plan, paths, partial(_train_again, request, progress))
    with Stopping() as stopping, open_session(paths, progress, stopping) as writing:
        journal = writing.journal
        recorded = _record(request, ready, journal, progress)
        writing.place.publish()  # from here on it is known elsewhere what waits
        stop = StopChecks(stopping, StopRequest(paths), writing.lock, SourceWatch(progress.note))
        checkpoints = CheckpointStore(paths, grid.checkpoints)
        checkpoints.tidy(journal.statuses)
        written = Written()
        sweep = Sweep(
            journal,
            recorded.pending,
            paths,
            ready.location,
            recorded.environment_id,
            progress,
            stop=stop.check,
            draining=stop.request.asked,
            checkpoints=checkpoints,
            written=written,
        )
        had = sweep.left

        def go_on() -> int:
            sweep.go_on(recorded.again())
            return ready.left(sweep)

        with reported(grid, paths, writing.place, progress, left=ready.left(sweep), written=written) as exported:
            adding = None
            if recorded.adds_seeds:
                adding = AddingSeeds(ready.plan, paths, journal, exported.fresh, go_on, progress.note, stop.stopped)
            if sweep.left or adding is not None:
                execute(request, ready.cluster, sweep, journal, stopping, progress, adding or bool)
                if stop.request.asked() and (sweep.left or (adding is not None and not adding.done)):
                    raise stopped_by_request(journal)
            journal.commit()
            checkpoints.committed()
        journal.predictions_written(written.take())
        no_room = had > 0 and not ready.has_room
        only, seconds = recorded.only, exported.seconds
        return summary_of(grid.name, paths, journal, sweep, only, began=began, export_seconds=seconds, no_room=no_room)


def _train_again(request: SweepRequest, progress: Progress, results: Path, trials: tuple[str, ...]) -> None:
    progress.note(
        f"{counted(len(trials), 'trial')} without weights {'is' if len(trials) == 1 else 'are'} trained again"
    )
    again = replace(
        request, results=results, only=trials, retrain_parents=False, keep_weights=True, confirm=None, measure=()
    )
    run_sweep(replace(again, wandb_mode="disabled", retry=True), progress)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A sweep that is known to be in order, before anything of it is written."""

    cluster: ClusterSpec
    location: DataLocation
    plan: Plan
    examples: Mapping[str, int]
    """How many a trial trains on, by the label of its data set."""
    packing: Packing
    paths: ResultsPaths
    without_room: Mapping[Shape, str]
    """Shapes that never have room here, each with the reason."""
    has_room: bool
    """Whether there is room for any."""

    def left(self, sweep: Sweep) -> int:
        """How many trials wait, once those have been skipped that never have room."""
        for shape, reason in self.without_room.items():
            sweep.reject(shape, reason)
        return sweep.left


def _ready(request: SweepRequest, progress: Progress) -> _Ready:
    grid, cluster = _read(request, progress)
    location = data_location(request.data, request.grid, cluster)
    plan = _plan(request, grid, location, progress)
    paths = ResultsPaths(whole_path(request.results or Path("results") / grid.name))
    if request.engine == "ray" and cluster.access.starts_ray and not paths.journal.exists():
        begin()  # something has to run, and what runs it can be imported while its data is prepared
    examples = prepare_data(plan, location, progress)
    packing = Packing(cluster.slots.gpu_share)
    without_room, has_room = _without_room(plan, cluster, request.engine, packing)
    if not has_room and not paths.journal.exists():  # else all of it may have ended where there was room
        raise UserError(
            f"no trial has room here: {next(iter(without_room.values()))}; lower `resources` in the grid or use another"
            " --cluster"
        )
    if (many := many_runs(grid.wandb, plan.counts().trials)) is not None:
        progress.note(many)
    return _Ready(cluster, location, plan, examples, packing, paths, without_room, has_room)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A sweep whose plan the journal has."""

    pending: PendingWork
    environment_id: str
    only: frozenset[str] | None
    """The trials that it is about, where not all."""
    adds_seeds: bool
    again: Callable[[], PendingWork]
    """Records what has joined the plan since, and returns it."""


def _record(request: SweepRequest, ready: _Ready, journal: Journal, progress: Progress) -> _Recorded:
    plan = ready.plan
    looks = _plan_seeds(request, plan, journal)  # what is refused here is no sweep yet
    _plan_confirmation(request, plan, ready.paths, journal, progress)
    refuse_without_weights(plan, journal, ready.paths)
    text = request.grid.read_text(encoding="utf-8") if request.text is None else request.text
    environment = observe(ready.cluster, text, looks)
    statuses = journal.statuses() if request.only else {}
    only = named_trials(plan, statuses, request.only) if request.only else None
    if request.measure:
        only = to_measure(plan, journal, request.measure, recorded=request.text is not None)
    journal.environment(environment)
    _warn(plan, journal, progress)
    record = partial(record_plan, plan, journal, ready.examples, ready.packing, progress.note, only=only)
    pending = record(retry=request.retry)
    tell_of_ended(only or frozenset(), statuses, progress.note, retry=request.retry)
    adds_seeds = looks is not None and only is None and (request.add_seeds or plan.grid.most is not None)
    return _Recorded(pending, environment.environment_id, only, adds_seeds, partial(record, retry=False))


def _warn(plan: Plan, journal: Journal, progress: Progress) -> None:
    """Say what is other than at the sweep before, and is meant or is not."""
    if (warning := changed_source(plan, journal)) is not None:
        progress.note(f"warning: {warning}")
    for behind in left_behind(plan, journal, of_latest=True)[:REASONS_SHOWN]:
        progress.note(f"warning: {behind.text}; they are kept, but no longer count")


def _plan_confirmation(
    request: SweepRequest, plan: Plan, paths: ResultsPaths, journal: Journal, progress: Progress
) -> None:
    """Have the plan know of fresh seeds. Raises UserError for too many, or where nothing can be confirmed."""
    plan.confirming = confirming(plan, paths, journal, request.confirm, progress.note)
    if plan.confirming.cells:
        _check(plan.counts(_NOTHING).trials, request, "with those that confirm, ")
        plan.confirming.keep(journal)


def _plan_seeds(request: SweepRequest, plan: Plan, journal: Journal) -> LookPlan | None:
    """Have the plan know of seeds that were added, and return when claims are looked at. Raises UserError for too many."""
    looks = plan_of_looks(plan.grid, journal, add_seeds=request.add_seeds)
    plan.added = AddedSeeds.read(journal)
    if plan.added.cells:
        _check(plan.counts(_NOTHING).trials, request, "with the seeds that were added, ")
    if looks is not None and (request.add_seeds or plan.grid.most is not None):
        _check(most_trials(plan, looks.most), request, "with the seeds that may be added, ")
    return looks


def _read(request: SweepRequest, progress: Progress) -> tuple[GridSpec, ClusterSpec]:
    grid = read_grid(request.grid) if request.text is None else read_text(request.text, request.grid)
    if request.measure and request.results:
        grid = with_measurements(grid, ResultsPaths(whole_path(request.results)), request.measure)
    if request.seeds is not None:
        grid = grid.with_seeds(request.seeds)
    mode, wish = wished(request.wandb_mode or grid.wandb.mode)
    if wish is not None:
        progress.note(wish.message)
    grid = grid.model_copy(update={"wandb": grid.wandb.model_copy(update={"mode": mode})})
    if request.keep_weights:
        grid = grid.model_copy(update={"keeps_every_weight": True})
    for others in open_key_files() if mode in ("auto", "online") else ():
        progress.note(f"warning: {others}")
    return grid, load_cluster(request.cluster)


def _plan(request: SweepRequest, grid: GridSpec, location: DataLocation, progress: Progress) -> Plan:
    plan = Plan(grid, location)
    _check(plan.counts().trials, request)
    for warning in plan.warnings:
        progress.note(f"warning: {warning}")
    if not plan.missing:
        return plan
    for missing in plan.missing:
        progress.note(f"downloading: {missing}")
    return Plan(grid, location, download=True)


def _check(trials: int, request: SweepRequest, including: str = "") -> None:
    if trials > request.max_trials:
        raise UserError(
            f"{including}{request.grid} has {trials:,} trials, more than --max-trials {request.max_trials:,};"
            " make the grid smaller, or raise the limit"
        )


def _without_room(
    plan: Plan, cluster: ClusterSpec, engine: EngineName, packing: Packing
) -> tuple[dict[Shape, str], bool]:
    """Shapes that this machine, whose size is known without starting anything, never has room for, each with the reason;
    and whether it has room for any.

    A remote cluster is asked when it is joined. Raises UserError where the engine takes no trial of several workers.
    """
    if engine == "ray" and not cluster.access.starts_ray:
        return {}, True
    shapes = {packing.shape(cell) for cell in plan.cells() if cell.skip is None}
    if engine == "inline" and (workers := max((shape.workers for shape in shapes), default=1)) > 1:
        raise UserError(f"resources.workers: {workers} needs several processes; use --engine ray")
    found = ((shape, never_fits(shape, local_nodes(cluster), cluster.name)) for shape in shapes)
    reasons = {shape: reason for shape, reason in found if reason is not None}
    return reasons, len(reasons) < len(shapes) or not shapes
