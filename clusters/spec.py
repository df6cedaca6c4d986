"""What a cluster file says."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from clusters.kinds import ADDRESS, KINDS, ClusterKind, Kind, kind_of

Auto = Literal["auto"]

_COUNT = 100_000
"""More of anything than a cluster has."""
_SECONDS = 10_000_000
"""Four months: more than anybody waits, and less than what clocks and timers hold."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


class SlotSpec(_Part):
    """How the cluster is cut into slots for trials of one worker."""

    most: Annotated[int, Field(ge=1, le=_COUNT)] | Auto = "auto"
    """At most this many slots at a time; auto: as many as fit."""
    gpu_share: Annotated[float, Field(gt=0, le=1)] | Auto = 1.0
    """The part of a GPU that a slot takes for each GPU its trial asks for: 0.25 lets four trials share one; auto: as much
    as the first trial of its data set, model and batch took of the memory."""
    memory_limit: Annotated[int, Field(ge=2**28, le=2**60)] | Auto = "auto"
    """Bytes of its own that a slot's process may hold between two trials before it is replaced; auto: its share of 80 %."""


class DistributedSpec(_Part):
    """How trials of several workers run."""

    backend: Literal["auto", "gloo", "nccl"] = "auto"
    """auto: nccl on GPUs, gloo on CPUs."""
    group_timeout: Annotated[float, Field(gt=0, le=_SECONDS)] = 60.0
    """Seconds that a worker waits for the others in a collective operation."""
    placement: Literal["pack", "spread"] = "pack"
    """pack: the workers of a trial share as few nodes as possible; spread: they take as many."""


class ClusterSpec(_Part):
    """Where a sweep runs."""

    name: Annotated[str, Field(pattern=r"^[\w.\- ]+$", max_length=64)] = "local"
    """For messages and tables. Where it is absent, the file's name without its ending."""
    kind: Kind = "local"
    """local: Ray is started on this machine; attach: this is a machine of a cluster whose Ray runs; jobs: the sweep goes
    to a cluster as a Ray job. Without it, the address decides."""
    address: Annotated[str, Field(pattern=ADDRESS)] = "local"
    """attach: `auto`, the Ray that runs on this machine, or HOST:PORT, where its head listens; jobs: http://HOST:PORT, its
    dashboard."""
    token_file: str | None = None
    """A file with the cluster's token, which nobody else can read; else RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH says it."""
    data: Annotated[str, Field(pattern=r"^/[^\x00]*$")] | None = None
    """The data folder of every node, in place of --data and ORCH_DATA."""
    cache: Annotated[str, Field(pattern=r"^/[^\x00]*$")] | None = None
    """Where every node keeps decoded arrays, in place of its ORCH_CACHE."""
    code: Literal["auto", "send", "installed"] = "auto"
    """attach: whether nodes are sent the code of orch and of its plug-ins; auto: unless this machine is the only one."""
    results: Annotated[str, Field(pattern=r"^[/~][^\x00]*$")] = "~/orch-results"
    """jobs: the head's folder in which each sweep has its results directory."""
    python: Annotated[str, Field(min_length=1)] = "python"
    """jobs: the Python of the head that has Ray and torch."""
    cpus: Annotated[int, Field(ge=1, le=_COUNT)] | Auto = "auto"
    """CPUs to offer when Ray is started here."""
    gpus: Annotated[int, Field(ge=0, le=_COUNT)] | Auto = "auto"
    """GPUs to offer when Ray is started here."""
    start_timeout: Annotated[float, Field(gt=0, le=_SECONDS)] = 300.0
    """Seconds for all workers of a slot to come up, and for a node to come (back) while nothing can run."""
    autoscaling: bool = False
    """Whether the cluster adds nodes when they are asked for: what fits no node now waits for one."""
    slots: SlotSpec = SlotSpec()
    distributed: DistributedSpec = DistributedSpec()

    @property
    def access(self) -> type[ClusterKind]:
        """How a sweep gets to it."""
        return KINDS[self.kind]

    @field_validator("address")
    @classmethod
    def _reachable(cls, address: str) -> str:
        """Whatever splits it into host and port later can do so."""
        if ":" in address:
            parts = urlsplit(address if "://" in address else f"//{address}")
            if not parts.hostname or not parts.port:  # raises ValueError, too: no IPv6 address, a port above 65535
                raise ValueError("no port")
        return address

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """The kind that the address means, or the address that goes with the kind."""
        if not isinstance(given, dict):
            return given
        match given:
            case {"kind": _, "address": _}:
                return given
            case {"kind": str() as kind} if kind in KINDS and KINDS[kind].address is not None:
                return {**given, "address": KINDS[kind].address}
            case {"address": str() as address}:
                return {**given, "kind": kind_of(address).name}
        return given
