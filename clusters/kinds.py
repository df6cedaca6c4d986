"""The kinds of cluster: what each has in its file, and how a sweep gets to its Ray.

A new kind is a class here, its name in `Kind`, and its line in `KINDS`.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Final, Literal

Kind = Literal["local", "attach", "jobs"]

HOST: Final = r"([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}"
"""Pattern of a host and a port."""


class ClusterKind(ABC):
    """What is common to all clusters of a kind. Never made: its classes stand for themselves."""

    name: ClassVar[Kind]
    address: ClassVar[str | None]
    """Of a file that names the kind alone; None where it has to say one."""
    pattern: ClassVar[str]
    """Of its addresses."""
    forms: ClassVar[tuple[str, ...]]
    """Its addresses as users are told of them."""
    example: ClassVar[str] = ""
    """Of an address, where there is none to go by."""
    keys: ClassVar[frozenset[str]]
    """Of those that mean something for some kinds only, the ones that do for this."""
    starts_ray: ClassVar[bool] = False
    """Whether a sweep starts a Ray of its own, on this machine, and ends it. Else it joins one, with the cluster's token."""
    submits: ClassVar[bool] = False
    """Whether a sweep goes to the cluster's head as a job, where commands are carried out too."""
    unreachable: ClassVar[str] = "check the address, the firewall and the token"
    """What may help where Ray does not answer."""

    @classmethod
    @abstractmethod
    def has(cls, address: str) -> bool:
        """Whether an address is one of this kind."""


class Local(ClusterKind):
    """Ray is started on this machine."""

    name = "local"
    address = "local"
    pattern = "local"
    forms = ("local",)
    keys = frozenset({"cpus", "gpus"})
    starts_ray = True
    unreachable = "free memory and /dev/shm"

    @classmethod
    def has(cls, address: str) -> bool:
        return address == "local"


class Jobs(ClusterKind):
    """The sweep goes to a cluster as a Ray job."""

    name = "jobs"
    address = None
    pattern = f"https?://{HOST}"
    forms = ("http://HOST:PORT",)
    example = "http://127.0.0.1:8265"
    keys = frozenset({"token_file", "data", "cache", "results", "python"})
    submits = True

    @classmethod
    def has(cls, address: str) -> bool:
        return address.startswith(("http://", "https://"))


class Attach(ClusterKind):
    """Joins the Ray that runs on the cluster of this machine."""

    name = "attach"
    address = "auto"
    pattern = f"auto|{HOST}"
    forms = ("auto", "HOST:PORT")
    keys = frozenset({"token_file", "data", "cache", "code"})

    @classmethod
    def has(cls, address: str) -> bool:
        return not any(kind.has(address) for kind in KINDS.values() if kind is not cls)


KINDS: Final[dict[str, type[ClusterKind]]] = {kind.name: kind for kind in (Local, Attach, Jobs)}
ADDRESS: Final = f"^({'|'.join(kind.pattern for kind in KINDS.values())})/?$"
"""Pattern of an address of any kind."""


def kind_of(address: str) -> type[ClusterKind]:
    """Return what an address means."""
    return next(kind for kind in KINDS.values() if kind.has(address))
