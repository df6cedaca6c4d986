"""What a cluster has room for, asked before anything runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from clusters.environment import prepare_environment
from clusters.errors import ClusterError
from clusters.nodes import Node, local_nodes
from clusters.spec import ClusterSpec
from orchestrator.engine import Shape
from orchestrator.engine.placement import never_fits
from orchestrator.plan.cell import Cell
from orchestrator.sweep.queue import Packing
from orchestrator.sweep.record import NO_ROOM


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
            _anywhere, f"{cluster.name} adds nodes when they are asked for: all trials are taken to have room there"
        )
    try:
        return _among(_nodes(cluster), cluster)
    except ClusterError as error:
        return Room(
            _anywhere,
            f"{cluster.name} cannot be asked what it has room for ({error}): all trials are taken to have room there",
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
