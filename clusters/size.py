"""How large this machine is. Imports no ray."""

import os

from clusters.spec import ClusterSpec


def local_size(spec: ClusterSpec) -> tuple[int, int]:
    """(CPUs, GPUs) that a Ray started here would offer."""
    cpus = len(os.sched_getaffinity(0)) if spec.cpus == "auto" else spec.cpus
    return cpus, _gpus() if spec.gpus == "auto" else spec.gpus


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
