"""Where this machine keeps data: the data folder, the grid's own folder, the cache of decoded arrays."""

import os
import socket
from pathlib import Path

from clusters.spec import ClusterSpec
from orchestrator.errors import UserError
from trainables.dataset import DataPlace
from trainables.errors import DataMissing
from trainables.own_place import cache_folder


def data_place(data: Path | None, grid: Path | None, cluster: ClusterSpec | None = None) -> DataPlace:
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
    return DataPlace(
        # a link that every node has under one name may lead elsewhere on each
        data=folder if folder is None or origin.startswith("`") else folder.resolve(),
        beside=None if grid is None else grid.resolve().parent,
        cache=_cache(cluster),
        host="" if shared or cluster is None or cluster.kind == "local" else socket.gethostname(),
    )


def _cache(cluster: ClusterSpec | None) -> Path:
    if cluster is not None and cluster.cache is not None:
        return Path(cluster.cache)
    try:
        return cache_folder()
    except DataMissing as homeless:
        raise UserError(str(homeless)) from None
