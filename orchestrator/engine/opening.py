"""The engine on Ray: its environment first, which Ray reads when it is imported."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from clusters.environment import prepare_environment
from clusters.nodes import local_size
from clusters.spec import ClusterSpec
from orchestrator.engine import Engine, RunTrial, Work
from orchestrator.engine.forks import begin, fork_server

_PRELOAD = "orchestrator.engine.worker"
"""What the actor of a forked slot needs, which is not what its fork does."""


@contextmanager
def ray_engine(cluster: ClusterSpec, run_trial: RunTrial, work: Work) -> Iterator[Engine]:
    """The engine on a Ray whose first slots are warm when they are needed, and which is gone afterwards.

    Slots of a Ray that is started here are forks of one process, which imports what they need while Ray starts.

    Raises InfrastructureLost, and SystemExit where a SIGTERM comes while Ray starts.
    """
    slots = _first_slots(cluster, work)
    # a worker group's processes are others, and four of its six run no trial: what single slots need would be imported
    # in vain
    alone = all(shape.workers == 1 for shape in work.shapes())
    at_once = slots == local_size(cluster)[0] and alone
    prepare_environment(cluster, preload=_PRELOAD if slots and alone else "", at_once=at_once)
    with fork_server(of_slots=True) if cluster.access.starts_ray else nullcontext():
        if slots:
            begin()
        from orchestrator.engine.ray import RayEngine

        engine = RayEngine(cluster, run_trial)
        try:
            engine.open()
            yield engine
        finally:
            engine.close()


def _first_slots(cluster: ClusterSpec, work: Work) -> int:
    """Return how many slots of one worker will be opened here at the same time, roughly; 0 where Ray is not started here."""
    single = [shape for shape in work.shapes() if shape.workers == 1]
    if not cluster.access.starts_ray or not single:
        return 0
    cpus, gpus = local_size(cluster)
    fit = max(min(cpus // shape.cpus, int(gpus / shape.gpus) if shape.gpus else cpus) for shape in single)
    most = fit if cluster.slots.most == "auto" else min(fit, cluster.slots.most)
    return min(most, sum(work.waiting(shape) for shape in single))
