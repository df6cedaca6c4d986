"""What a cluster file says."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Auto = Literal["auto"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SlotSpec(_Part):
    """How the cluster is cut into slots for trials of one worker."""

    most: Annotated[int, Field(ge=1)] | Auto = "auto"
    """At most so many slots at a time; auto: as many as fit."""
    gpu_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The part of a GPU that a slot takes for each GPU its trial asks for: 0.25 lets four trials share one."""
    memory_limit: Annotated[int, Field(ge=2**28)] | Auto = "auto"
    """Bytes of its own that a slot's process may hold between two trials before it is replaced; auto: its share of 80 %."""


class DistributedSpec(_Part):
    """How trials of several workers run."""

    backend: Literal["auto", "gloo", "nccl"] = "auto"
    """auto: nccl on GPUs, gloo on CPUs."""
    group_timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds that a worker waits for the others in a collective operation."""


class ClusterSpec(_Part):
    """Where a sweep runs."""

    name: str = "local"
    address: Annotated[str, Field(pattern=r"^(local|auto|[A-Za-z0-9.\-\[\]:]+:\d+)$")] = "local"
    """local: start Ray on this machine; auto: the Ray that runs on it; HOST:PORT: the Ray whose head listens there."""
    cpus: Annotated[int, Field(ge=1)] | Auto = "auto"
    """CPUs to offer when Ray is started here."""
    gpus: Annotated[int, Field(ge=0)] | Auto = "auto"
    """GPUs to offer when Ray is started here."""
    start_timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds for all workers of a slot to come up."""
    slots: SlotSpec = SlotSpec()
    distributed: DistributedSpec = DistributedSpec()
