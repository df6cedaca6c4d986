"""A sweep on a cluster that this machine is no part of: submitted from here, and followed as long as anybody looks."""

import posixpath
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clusters.code import lay_out
from clusters.environment import prepare_environment
from clusters.errors import ClusterError, last_line
from clusters.spec import ClusterSpec
from clusters.temporary import temporary_folder
from orchestrator.engine.code import CODE
from orchestrator.errors import InfrastructureLost, LockedResults, UserError
from orchestrator.grid import read_grid
from orchestrator.plan.progress import Progress
from orchestrator.remote.request import CLUSTER, GRID, RESULTS, Answer, Request, answer_in, cluster_text, last_answer
from orchestrator.sweep.run import SweepRequest
from orchestrator.text import command_line
from orchestrator.wandb.settings import Wish, wished

if TYPE_CHECKING:
    from clusters.jobs import Job, JobsCluster

# Has a command carried out on the head, and gives its answer here.

MODULE: Final = "orchestrator.cli.head"
_SHOWN: Final = 500
"""Characters of a line that is no answer."""
_STOPPED: Final = (129, 130, 143)
"""Codes with which a sweep ends that a signal stops so soon that it cannot answer any more."""


def ask(cluster: ClusterSpec, arguments: Sequence[str], name: str | None, grid: Path | None = None) -> Answer:
    """Return what `orch ARGUMENTS` says on the head. Raises InfrastructureLost.

    RESULTS among the arguments stands for the results directory of the sweep `name`, of the only one there for None.
    """
    with reached(cluster) as jobs:
        job_id = send(jobs, cluster, request_of(cluster, arguments, name), grid, "")
        end, log = jobs.output(job_id)
        jobs.forget(job_id)
    answer = last_answer(log.splitlines())
    if answer is None:
        last = last_line(log) or end.message
        raise InfrastructureLost(f"{cluster.name}: its head could not answer: {last[:_SHOWN]}")
    return answer


def request_of(cluster: ClusterSpec, arguments: Sequence[str], name: str | None, *, live: bool = False) -> Request:
    """A request for the head."""
    if name is not None and (Path(name).name != name or name in ("", ".", "..")):
        raise UserError(f"{name!r} is not the name of a sweep on {cluster.name}; `orch status --cluster FILE NAME`")
    shown = ("orch", *sys.argv[1:])
    return Request(tuple(arguments), cluster.results, name, shown, live)


@contextmanager
def reached(cluster: ClusterSpec) -> Iterator["JobsCluster"]:
    """The jobs of a cluster. Raises InfrastructureLost, also for what goes wrong within."""
    prepare_environment(cluster)
    from clusters.jobs import JobsCluster

    try:
        yield JobsCluster(cluster)
    except ClusterError as error:
        raise InfrastructureLost(str(error)) from error


def send(jobs: "JobsCluster", cluster: ClusterSpec, request: Request, grid: Path | None, sweep: str) -> str:
    """Submit a request with the code and the grid; the job's id."""
    folder = temporary_folder("orch-job-")
    try:
        lay_out(CODE, folder)
        request.write(folder)
        (folder / CLUSTER).write_text(cluster_text(cluster))
        if grid is not None:
            (folder / GRID).mkdir()
            shutil.copyfile(grid, folder / GRID / grid.name)
        return jobs.submit(folder, MODULE, sweep)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """A sweep that the cluster has been given."""

    cluster: ClusterSpec
    file: Path
    """The cluster file."""
    name: str
    job_id: str
    wish: Wish | None
    """What this machine's environment says against W&B, which the cluster's does not know."""

    def commands(self) -> str:
        """Return how to go on from anywhere."""
        where = f"--cluster {self.file} {self.name}"
        return "\n".join(f"  orch {verb} {where}" for verb in ("status", "logs", "stop", "fetch"))


def submit(request: SweepRequest, cluster: ClusterSpec, *, as_json: bool) -> SubmittedJob:
    """Send the sweep to the cluster. Raises GridError, UserError, InfrastructureLost, LockedResults where it runs there."""
    assert request.cluster is not None, "without a file the cluster is this machine"
    for option, given in (("--results", request.results), ("--data", request.data)):
        if given is not None:
            key = option.removeprefix("--")
            raise UserError(f"{option} is a folder of this machine; `{key}` in {request.cluster} names the cluster's")
    if request.engine == "inline":
        raise UserError("--engine inline runs in this process, not on a cluster; leave --cluster or --engine out")
    grid = read_grid(request.grid)
    arguments = ["sweep", f"{GRID}/{request.grid.name}", "--cluster", CLUSTER, "--results", RESULTS, "--verbose"]
    arguments += ["--max-trials", str(request.max_trials)]
    arguments += ["--seeds", str(request.seeds)] if request.seeds is not None else []
    arguments += ["--add-seeds"] if request.add_seeds else []
    arguments += [part for trial in request.only for part in ("--only", trial)]
    arguments += [f"--confirm={request.confirm}"] if request.confirm is not None else []
    arguments += ["--retrain-parents"] if request.retrain_parents else []
    arguments += ["--retry"] if request.retry else []
    mode, wish = wished(request.wandb_mode or grid.wandb.mode)
    arguments += ["--wandb", mode] if request.wandb_mode is not None or wish is not None else []
    arguments += ["--json"] if as_json else []
    with reached(cluster) as jobs:
        if (other := _of_the_same_results(jobs.jobs(grid.name), cluster.results)) is not None:
            raise LockedResults(_runs_already(other, cluster, request.cluster))
        asked = request_of(cluster, arguments, grid.name, live=True)
        job_id = send(jobs, cluster, asked, request.grid, grid.name)
    return SubmittedJob(cluster, request.cluster, grid.name, job_id, wish)


def _of_the_same_results(known: Sequence["Job"], results: str) -> "Job | None":
    """The job that writes there now, or waits to, or nearly has ended: of jobs of one sweep's name."""
    here = posixpath.normpath(results)
    return next((job for job in known if job.running and posixpath.normpath(job.results or results) == here), None)


def _runs_already(job: "Job", cluster: ClusterSpec, file: Path) -> str:
    since = f" since {datetime.fromtimestamp(job.started / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if job.started else ""
    return (
        f"{job.sweep} runs on {cluster.name}{since}, as job {job.job_id}; wait for it, or end it with"
        f" `orch stop --cluster {file} {job.sweep}`"
    )


def follow(submitted: SubmittedJob, progress: Progress) -> Answer:
    """Show what the sweep says until it ends; its answer. Raises InfrastructureLost when the cluster is out of reach."""
    answers: list[Answer] = []

    def say(line: str) -> None:
        if (answer := answer_in(line)) is not None:
            answers.append(answer)
        else:
            progress.note(line)

    try:
        with reached(submitted.cluster) as jobs:
            end = jobs.follow(submitted.job_id, say)
    except InfrastructureLost as lost:
        raise InfrastructureLost(f"{lost}; the sweep may go on there:\n{submitted.commands()}") from lost
    if answers:
        return answers[-1]
    if end.code in _STOPPED:
        return Answer(end.code, "", "")
    killed = end.code in (None, 128 + signal.SIGKILL)  # a shell stands between Ray and the process
    how = "was killed" if killed else f"ended with {end.code} and gave no answer"
    raise InfrastructureLost(
        f"the sweep's process on {submitted.cluster.name} {how}: {end.message[:_SHOWN]}. To go on: {command_line()}"
    )


def log_of(cluster: ClusterSpec, name: str | None) -> str:
    """Return what the latest run of a sweep has said there. Raises UserError where there is none."""
    with reached(cluster) as jobs:
        known = jobs.jobs(name or "")
        if not known:
            raise UserError(
                f"no job of {name or 'any sweep'} on {cluster.name}; Ray forgets them when its head restarts"
            )
        # one that was refused since another ran has nothing to tell
        shown = [job for job in known if job.running or job.code != LockedResults.exit_code] or known
        lines = jobs.log(shown[0].job_id).splitlines()
    return "\n".join(line for line in lines if answer_in(line) is None)
