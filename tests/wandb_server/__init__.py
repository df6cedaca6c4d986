"""A W&B-compatible server on loopback, for tests: what the real SDK (0.31) asks for, and faults on demand."""

from tests.wandb_server.faults import Fault
from tests.wandb_server.server import KEY, WandbServer

__all__ = ["KEY", "Fault", "WandbServer"]
