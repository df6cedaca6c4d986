"""Has a command carried out on the head, and gives its answer here."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clusters.code import lay_out
from clusters.environment import prepare_environment
from clusters.errors import ClusterError
from clusters.spec import ClusterSpec
from clusters.temporary import temporary_folder
from orchestrator.engine.code import CODE
from orchestrator.errors import InfrastructureLost, UserError
from orchestrator.remote.request import CLUSTER, GRID, Answer, Request, cluster_text, last_answer

if TYPE_CHECKING:
    from clusters.jobs import JobsCluster

MODULE: Final = "orchestrator.remote.head"
_SHOWN: Final = 500
"""Characters of a line that is no answer."""


def ask(cluster: ClusterSpec, arguments: Sequence[str], name: str | None, grid: Path | None = None) -> Answer:
    """What `orch ARGUMENTS` says on the head. Raises InfrastructureLost.

    RESULTS among the arguments stands for the results directory of the sweep `name`, of the only one there for None.
    """
    with reached(cluster) as jobs:
        job_id = send(jobs, cluster, request_of(cluster, arguments, name), grid, "")
        end, log = jobs.output(job_id)
        jobs.forget(job_id)
    answer = last_answer(log.splitlines())
    if answer is None:
        last = log.strip().splitlines()[-1:] or [end.message]
        raise InfrastructureLost(f"{cluster.name}: its head could not answer: {last[0][:_SHOWN]}")
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
