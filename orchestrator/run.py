"""A whole sweep, step by step: read, plan, prepare the data, lock, run, export."""

import time
from dataclasses import asdict
from pathlib import Path

from clusters.size import local_nodes
from clusters.spec import ClusterSpec
from orchestrator.added_seeds import AddedSeeds
from orchestrator.draining import Draining
from orchestrator.engine import Shape
from orchestrator.engine.placement import never_fits
from orchestrator.environment import observe
from orchestrator.errors import UserError
from orchestrator.execution import execute, stopped_by_request
from orchestrator.grid import GridSpec, read_grid
from orchestrator.holding import reported, writing_to
from orchestrator.local_path import whole_path
from orchestrator.packing import Packing
from orchestrator.places import data_place
from orchestrator.plan import Plan
from orchestrator.plan_counts import Kept
from orchestrator.planned import changed_source, occurring_in
from orchestrator.prepare import prepare_data
from orchestrator.progress import Progress
from orchestrator.reaching import cluster_of
from orchestrator.recording import record_plan
from orchestrator.reports.wandb_process import CELLS_INSTEAD, MANY_RUNS, open_key_files
from orchestrator.reports.wandb_wish import wished
from orchestrator.request import EngineName, SweepRequest
from orchestrator.source_watch import SourceWatch
from orchestrator.stopping import Stopping
from orchestrator.store.checkpoints import CheckpointStore
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.summary import SweepSummary
from orchestrator.sweep import Sweep
from trainables.dataset import DataPlace


def run_sweep(request: SweepRequest, progress: Progress) -> SweepSummary:
    """Run what is missing of a grid. Raises the errors of `orchestrator.errors`.

    Nothing is written, and no Ray is started, before the grid, the cluster file, the data and the resources have been
    found to be in order.
    """
    began = time.monotonic()
    grid, cluster = _read(request, progress)
    for others in open_key_files() if grid.wandb.mode in ("auto", "online") else ():
        progress.note(f"warning: {others}")
    place = data_place(request.data, request.grid, cluster)
    plan = _plan(request, grid, place, progress)
    examples = prepare_data(plan, place, progress)
    packing = Packing(cluster.slots.gpu_share)
    without_room, anywhere = _without_room(plan, cluster, request.engine, packing)
    paths = ResultsPaths(whole_path(request.results or Path("results") / grid.name))
    if not anywhere and not paths.journal.exists():  # else all of it may have ended where there was room
        raise UserError(
            f"no trial has room here: {next(iter(without_room.values()))}; lower `resources` in the grid or use another"
            " --cluster"
        )
    if grid.wandb.mode != "disabled" and grid.wandb.runs == "trials" and (runs := plan.counts().trials) > MANY_RUNS:
        progress.note(f"{runs:,} W&B runs are many: {CELLS_INSTEAD}")
    with Stopping() as stopping, writing_to(paths, progress, stopping) as writing:
        journal, lock = writing.journal, writing.lock
        environment = observe(cluster, request.grid.read_text(encoding="utf-8"))
        _add_seeds(request, plan, paths, journal, progress)  # what is refused here is no sweep yet
        journal.environment(asdict(environment))
        if (warning := changed_source(plan, journal, occurring_in(journal))) is not None:
            progress.note(f"warning: {warning}")
        to_run = record_plan(plan, journal, examples, packing, progress.note, retry=request.retry)
        writing.place.publish()  # from here on it is known elsewhere what waits
        draining = Draining(paths)
        source = SourceWatch(progress.note)

        def stop() -> None:
            stopping.check()
            draining.check()
            lock.check()
            source.look()

        checkpoints = CheckpointStore(paths, grid.checkpoints)
        checkpoints.tidy(journal.statuses)
        sweep = Sweep(
            journal,
            to_run,
            paths,
            place,
            environment.environment_id,
            progress,
            stop=stop,
            draining=draining.asked,
            checkpoints=checkpoints,
        )
        had = sweep.left
        for shape, reason in without_room.items():
            sweep.refuse(shape, reason)
        with reported(grid, paths, writing.place, progress, left=sweep.left) as exported:
            if sweep.left:
                execute(request, cluster, sweep, journal, stopping, progress)
                if sweep.left and draining.asked():
                    raise stopped_by_request(journal)
            journal.commit()
            checkpoints.committed()
        counts = journal.counts()
        return SweepSummary(
            name=grid.name,
            results=paths.root,
            counts=counts,
            ran=sweep.ran,
            skipped=journal.skipped_reasons(),
            nothing_could_run=counts.keys() == {"skipped"} or (had > 0 and not anywhere),
            startup_seconds=(sweep.first_order or time.monotonic()) - began,
            run_seconds=0.0 if sweep.first_order is None else sweep.last_row - sweep.first_order,
            export_seconds=exported.seconds,
        )


def _add_seeds(request: SweepRequest, plan: Plan, paths: ResultsPaths, journal: Journal, progress: Progress) -> None:
    """Plan the seeds that were added here, and those that are added now. Raises UserError where these are too many."""
    added = AddedSeeds.read(journal)
    if request.add_seeds:
        from orchestrator.claims.more import more_seeds  # pandas and scipy, which no other sweep needs

        added = added.joined(more_seeds(paths, request.grid, progress.note))
    plan.added = added
    if added.cells:
        kept = Kept(cell_ids=(), statuses={}, occurring=occurring_in(journal))
        _check(plan.counts(kept).trials, request, "with the seeds that are added, ")
        added.keep(journal)


def _read(request: SweepRequest, progress: Progress) -> tuple[GridSpec, ClusterSpec]:
    grid = read_grid(request.grid)
    if request.seeds is not None:
        grid = grid.with_seeds(request.seeds)
    mode, wish = wished(request.wandb_mode or grid.wandb.mode)
    if wish is not None:
        progress.note(wish.told)
    grid = grid.model_copy(update={"wandb": grid.wandb.model_copy(update={"mode": mode})})
    return grid, cluster_of(request.cluster)


def _plan(request: SweepRequest, grid: GridSpec, place: DataPlace, progress: Progress) -> Plan:
    plan = Plan(grid, place)
    _check(plan.counts().trials, request)
    for warning in plan.warnings:
        progress.note(f"warning: {warning}")
    if not plan.missing:
        return plan
    for missing in plan.missing:
        progress.note(f"downloading: {missing}")
    return Plan(grid, place, download=True)


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
    if engine == "ray" and cluster.address != "local":
        return {}, True
    shapes = {packing.shape(cell) for cell in plan.cells() if cell.skip is None}
    if engine == "inline" and (workers := max((shape.workers for shape in shapes), default=1)) > 1:
        raise UserError(f"resources.workers: {workers} needs several processes; use --engine ray")
    found = ((shape, never_fits(shape, local_nodes(cluster), cluster.name)) for shape in shapes)
    reasons = {shape: reason for shape, reason in found if reason is not None}
    return reasons, len(reasons) < len(shapes) or not shapes
