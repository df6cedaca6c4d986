"""A whole sweep, step by step: read, plan, prepare the data, lock, run, export."""

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from clusters.errors import ClusterSpecError
from clusters.file import read_cluster
from clusters.spec import ClusterSpec
from orchestrator.cell import Cell
from orchestrator.engine import Engine, RunTrial
from orchestrator.engine.inline import InlineEngine
from orchestrator.engine.opening import ray_engine
from orchestrator.environment import observe
from orchestrator.errors import InfrastructureLost, Interrupted, UserError
from orchestrator.expected import Expectation
from orchestrator.exporter import Exporter
from orchestrator.grid import GridSpec, read_grid
from orchestrator.places import data_place
from orchestrator.plan import Plan
from orchestrator.planned import cell_row, changed_source, trial_rows
from orchestrator.prepare import prepare_data
from orchestrator.progress import Progress
from orchestrator.queue import TrialQueue, Waiting
from orchestrator.reports.wandb_process import WandbWriter
from orchestrator.stopping import Stopping
from orchestrator.store.journal import Journal
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep import Sweep
from results_schema import OPEN, RETRYABLE
from trainables.dataset import DataPlace
from trainables.model import Model
from trainables.trial import run_trial

EngineName = Literal["ray", "inline"]

WANDB_SECONDS: Final = 60.0
"""What the W&B writer is waited for at the end; it goes on by itself after that."""
WANDB_SECONDS_WHEN_STOPPED: Final = 2.0
"""The same when a signal or an error has ended the sweep: its user is waiting."""


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
    retry: bool = False
    wandb_mode: str | None = None
    run_trial: RunTrial = run_trial


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """How a sweep ended."""

    name: str
    results: Path
    counts: dict[str, int]
    """Planned trials by status."""
    ran: int
    """Trials that this sweep had to run."""
    startup_seconds: float
    """From the beginning to the first trial handed to a slot that was ready."""
    run_seconds: float
    """From there to the last row in the journal."""
    export_seconds: float
    """Of the final export."""

    def as_text(self) -> str:
        """For the end of a sweep."""
        counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(self.counts.items()))
        done = f"ran {self.ran} trials in {self.run_seconds:.1f} s" if self.ran else "nothing was left to run"
        return f"{self.name}: {done}; {counts}\ntables in {self.results}"

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {**asdict(self), "results": str(self.results)}

    @property
    def succeeded(self) -> bool:
        """Whether every planned trial is completed, skipped or diverged."""
        return not set(self.counts) - {"completed", "skipped", "diverged"}


def run_sweep(request: SweepRequest, progress: Progress) -> SweepSummary:
    """Run what is missing of a grid. Raises the errors of `orchestrator.errors`.

    Nothing is written, and no Ray is started, before the grid, the cluster file, the data and the resources have been
    found to be in order.
    """
    began = time.monotonic()
    grid, cluster = _read(request)
    place = data_place(request.data, request.grid)
    plan = _plan(request, grid, place, progress)
    examples = prepare_data(plan, place, progress)
    _refuse_what_never_fits(plan, cluster, request.engine)
    paths = ResultsPaths((request.results or Path("results") / grid.name).absolute())
    with Stopping() as stopping, _writing(paths) as journal:
        environment = observe(cluster, request.grid.read_text(encoding="utf-8"))
        journal.environment(asdict(environment))
        if (warning := changed_source(plan, journal)) is not None:
            progress.note(f"warning: {warning}")
        queue = _record_plan(plan, journal, examples, retry=request.retry)
        sweep = Sweep(journal, queue, paths, place, environment.environment_id, progress, stopping.check)
        ran = len(queue)
        with _reported(grid, paths, progress) as exported:
            if ran:
                _execute(request, cluster, sweep, journal, stopping, progress)
            journal.commit()
        return SweepSummary(
            name=grid.name,
            results=paths.root,
            counts=journal.counts(),
            ran=ran,
            startup_seconds=(sweep.first_order or time.monotonic()) - began,
            run_seconds=0.0 if sweep.first_order is None else sweep.last_row - sweep.first_order,
            export_seconds=exported.seconds,
        )


def _read(request: SweepRequest) -> tuple[GridSpec, ClusterSpec]:
    grid = read_grid(request.grid)
    if request.seeds is not None:
        grid = grid.with_seeds(request.seeds)
    if request.wandb_mode is not None:
        wandb = grid.wandb.model_copy(update={"mode": request.wandb_mode})
        grid = grid.model_copy(update={"wandb": wandb})
    try:
        return grid, read_cluster(request.cluster)
    except ClusterSpecError as error:
        raise UserError(str(error)) from error


def _plan(request: SweepRequest, grid: GridSpec, place: DataPlace, progress: Progress) -> Plan:
    plan = Plan(grid, place)
    trials = plan.counts().trials
    if trials > request.max_trials:
        raise UserError(
            f"{request.grid} has {trials:,} trials, more than --max-trials {request.max_trials:,};"
            " make the grid smaller, or raise the limit"
        )
    for warning in plan.warnings:
        progress.note(f"warning: {warning}")
    if not plan.missing:
        return plan
    for missing in plan.missing:
        progress.note(f"downloading: {missing}")
    return Plan(grid, place, download=True)


def _refuse_what_never_fits(plan: Plan, cluster: ClusterSpec, engine: EngineName) -> None:
    """For this machine, whose size is known without starting anything; a remote cluster says so when it is joined."""
    if engine == "ray" and cluster.address != "local":
        return
    from clusters.size import local_size

    cpus, gpus = local_size(cluster)
    for shape in {cell.shape for cell in plan.cells() if cell.skip is None}:
        if engine == "inline" and shape.workers > 1:
            raise UserError(f"resources.workers: {shape.workers} needs several processes; use --engine ray")
        share = cluster.slots.gpu_share if shape.workers == 1 else 1.0
        if shape.workers * shape.cpus > cpus or shape.workers * shape.gpus * share > gpus:
            raise UserError(
                f"a trial needs {shape.workers * shape.cpus} CPUs and {shape.workers * shape.gpus:g} GPUs, this machine"
                f" offers {cpus} and {gpus}; lower `resources` in the grid or use another --cluster"
            )


@contextmanager
def _writing(paths: ResultsPaths) -> Iterator[Journal]:
    """The results directory, locked, and its journal."""
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write results to {paths.root}: {error}") from error
    with ResultsLock(paths):
        journal = Journal.create_or_open(paths.journal)
        try:
            yield journal
        finally:
            journal.close()


def _record_plan(plan: Plan, journal: Journal, examples: dict[str, int], *, retry: bool) -> TrialQueue:
    """Make the plan's trials the journal's planned ones, and queue those that have to run."""
    seeds = list(plan.grid.seeds)
    statuses = journal.statuses()
    runs = OPEN | {"skipped"} | (RETRYABLE if retry else frozenset())  # the plan says anew what is skipped
    expectation = Expectation(journal.seconds_by_cell(), alike=plan.of_one_model)
    queue = TrialQueue()
    with journal.planning(plan.grid.name, RETRYABLE if retry else ()) as planning:
        for cell in plan.cells():
            rows = list(trial_rows(cell, seeds))
            planning.add(cell_row(cell), rows)
            to_run = [row for row in rows if cell.skip is None and statuses.get(row.trial_id, "pending") in runs]
            if not to_run:
                continue
            expected = _expected(cell, expectation, examples)
            for row in to_run:
                queue.add(cell.shape, Waiting(-expected, len(queue), row.trial_id, row.seed, cell))
    journal.commit()
    return queue


def _expected(cell: Cell, expectation: Expectation, examples: dict[str, int]) -> float:
    data, model = cell.data, cell.model.config
    assert data.info is not None and isinstance(model, Model)
    return expectation.seconds(cell.cell_id, model, data.info, examples[data.level.label], cell.protocol.epochs)


@contextmanager
def _reported(grid: GridSpec, paths: ResultsPaths, progress: Progress) -> Iterator[Exporter]:
    """Tables that are fresh while the sweep runs and complete when it ends, however it ends; and the W&B writer."""
    exporter, writer = Exporter(paths), WandbWriter()
    exporter.start()
    writer.start(paths, grid.wandb.mode, grid.wandb.project or grid.name, grid.wandb.entity)
    patience = WANDB_SECONDS_WHEN_STOPPED
    try:
        yield exporter
        patience = WANDB_SECONDS
    finally:
        if exporter.trouble is not None:
            progress.note(f"the tables could not be refreshed while the sweep ran: {exporter.trouble}")
        exporter.finish()
        if not writer.finish(patience):
            progress.note(
                f"not all W&B runs have been written, or their process still writes them; see {paths.wandb_log}"
            )


def _execute(
    request: SweepRequest,
    cluster: ClusterSpec,
    sweep: Sweep,
    journal: Journal,
    stopping: Stopping,
    progress: Progress,
) -> None:
    """Run the queue. Whatever ends it early, what was running is recorded as cancelled."""
    try:
        with _engine(request, cluster, sweep, progress) as engine:
            stopping.retake()
            engine.run(sweep)
    except Interrupted as interrupted:
        journal.cancel_running(str(interrupted))
        raise Interrupted(interrupted.signal_number, f"; everything finished is kept. To go on: {_command()}") from None
    except InfrastructureLost as lost:
        journal.cancel_running(str(lost))
        raise InfrastructureLost(f"{lost}. To go on: {_command()}") from lost
    finally:
        journal.commit()  # the final export, which comes next, reads what is committed


def _engine(
    request: SweepRequest, cluster: ClusterSpec, sweep: Sweep, progress: Progress
) -> AbstractContextManager[Engine]:
    if request.engine == "inline":
        return nullcontext(InlineEngine(request.run_trial))
    progress.note("starting Ray on this machine" if cluster.address == "local" else f"joining Ray at {cluster.address}")
    return ray_engine(cluster, request.run_trial, sweep)


def _command() -> str:
    """The command line that was given, to be pasted again."""
    program = Path(sys.argv[0]).name
    return shlex.join(["orch" if program == "__main__.py" else program, *sys.argv[1:]])
