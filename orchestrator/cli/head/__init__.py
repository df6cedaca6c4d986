"""Commands with `--cluster FILE`: carried out on the cluster's head, and shown here as if they had run here."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.terminal import say
from orchestrator.errors import UserError

if TYPE_CHECKING:
    from clusters.spec import ClusterSpec


def remote(file: Path | None) -> "ClusterSpec | None":
    """The cluster that commands go to as jobs; None where they are this machine's own. Raises UserError."""
    if file is None:
        return None
    from orchestrator.plan.prepare import load_cluster

    cluster = load_cluster(file)
    return cluster if cluster.access.submits else None


def remote_results(file: Path) -> "ClusterSpec":
    """The cluster whose head has the results. Raises UserError where they are a directory here."""
    cluster = remote(file)
    if cluster is None:
        raise UserError(f"{file} is not a cluster of kind jobs: its results are on this machine; name their directory")
    return cluster


def show(cluster: "ClusterSpec", arguments: Sequence[str], name: str | None, grid: Path | None = None) -> int:
    """Print what the command says on the head; its exit code. Raises InfrastructureLost."""
    from orchestrator.remote.jobs import ask

    answer = ask(cluster, arguments, name, grid)
    for text, err in ((answer.errors, True), (answer.output, False)):
        if text:
            say(text.rstrip("\n"), err=err)
    return answer.code
