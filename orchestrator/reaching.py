"""The cluster that a command is told of: its file read, and its token found."""

from pathlib import Path

from clusters.errors import ClusterSpecError
from clusters.file import read_cluster
from clusters.spec import ClusterSpec
from clusters.token import use_token
from orchestrator.errors import UserError


def cluster_of(file: Path | None) -> ClusterSpec:
    """The cluster of a file, this machine without one. Raises UserError for what is wrong with it or its token."""
    try:
        cluster = read_cluster(file)
        if cluster.kind != "local":
            use_token(cluster)
    except ClusterSpecError as error:
        raise UserError(str(error)) from error
    return cluster
