"""Makes every data set of a plan ready before anything is started, so that what is wrong with it is found first."""

import os
import socket
from pathlib import Path

from clusters.environment import use_token
from clusters.errors import ClusterSpecError
from clusters.file import read_cluster
from clusters.spec import ClusterSpec
from orchestrator.errors import UserError
from orchestrator.grid.mistakes import Placed, grid_error
from orchestrator.plan.plan import Plan
from orchestrator.plan.progress import Progress
from orchestrator.plan.resolve import LocatedData, each_placed
from trainables.data.cache import cache_folder, contents
from trainables.data.checks import with_split_faults
from trainables.data.subset import TrialSplit
from trainables.dataset import DataLocation
from trainables.errors import DataError, DataErrors, DataMissing

# Where this machine keeps data: the data folder, the grid's own folder, the cache of decoded arrays.


def data_location(data: Path | None, grid: Path | None, cluster: ClusterSpec | None = None) -> DataLocation:
    """The places of a sweep. `data` comes from `--data`, else from the cluster file, else from ORCH_DATA.

    Raises UserError where it is missing, or two of them say different folders.
    """
    origin, folder = "--data", data
    if cluster is not None and cluster.data is not None:
        if data is not None and data.resolve() != Path(cluster.data).resolve():
            raise UserError(
                f"--data {data} and the cluster file (data: {cluster.data}) name different folders; nodes have one: leave"
                " --data out"
            )
        origin, folder = "`data` in the cluster file", Path(cluster.data)
    elif folder is None and os.environ.get("ORCH_DATA"):
        origin, folder = "ORCH_DATA", Path(os.environ["ORCH_DATA"])
    if folder is not None and not folder.is_dir():
        raise UserError(f"the data folder {folder} ({origin}) does not exist; create it or name another")
    shared = cluster is not None and cluster.cache is not None
    return DataLocation(
        # a link that every node has under one name may lead elsewhere on each
        data=folder if folder is None or origin.startswith("`") else folder.resolve(),
        beside=None if grid is None else grid.resolve().parent,
        cache=_cache(cluster),
        host="" if shared or cluster is None or cluster.access.starts_ray else socket.gethostname(),
    )


def _cache(cluster: ClusterSpec | None) -> Path:
    if cluster is not None and cluster.cache is not None:
        return Path(cluster.cache)
    try:
        return cache_folder()
    except DataMissing as homeless:
        raise UserError(str(homeless)) from None


def prepare_data(plan: Plan, location: DataLocation, progress: Progress) -> dict[str, int]:
    """Decode and split every data set that is used, along streams too. Label of the level to the examples that a trial
    trains on.

    Raises GridError, at the data set's place in the grid: an image that cannot be read, too few examples to split, more
    of each class asked for than there are.
    """
    wrong: list[Placed] = []
    examples: dict[str, int] = {}
    told = frozenset(plan.data)  # a stream is one of these again
    for data in plan.every_data:
        if data.unsupported is not None:
            continue
        if data in told:
            progress.note(f"data: {data.level.label}")
        try:
            trial_split = _divided(data, location, plan)
        except DataError as error:
            errors = with_split_faults(error, data.dataset, location, plan.dividing)
            wrong += each_placed(DataErrors(errors), data.level)
        else:
            examples[data.level.label] = len(trial_split.split.train)
    if wrong:
        raise grid_error(plan.grid.path, wrong)
    return examples


def _divided(data: LocatedData, location: DataLocation, plan: Plan) -> TrialSplit:
    """Split for the first seed. Raises DataError."""
    assert data.fingerprint is not None and data.info is not None, "a sweep has fetched what was missing"
    found = contents(data.dataset, location, data.fingerprint)
    if data.dataset.under_options(found.info) != data.info:
        raise DataError(f"{data.level.label} changed while it was read; start again once nothing writes to it")
    return plan.dividing.of(data.dataset, found.examples, found.hashes, data.info.classes)


# The cluster that a command is told of: its file read, and its token found.


def load_cluster(file: Path | None) -> ClusterSpec:
    """The cluster of a file, this machine without one. Raises UserError for what is wrong with it or its token."""
    try:
        cluster = read_cluster(file)
        if not cluster.access.starts_ray:
            use_token(cluster)
    except ClusterSpecError as error:
        raise UserError(str(error)) from error
    return cluster
