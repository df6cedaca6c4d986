"""How the ranks of a worker group join their process group, and how what they hold is given back when they cannot.

Ray Train 2.60 leaves a run's placement group behind when a worker fails while its process group is set up (its controller
counts the workers as started, and forgets them): their CPUs and GPUs are then gone until Ray ends. So the mailbox is told
which placement group it is before anything can fail, and the slot gives it back itself.
"""

from dataclasses import dataclass
from typing import Any

import ray
from ray.train.torch import TorchConfig
from ray.util import get_current_placement_group


@dataclass
class WorkerGroupTorchConfig(TorchConfig):
    """Ray Train's own process group, under a placement group that the mailbox knows."""

    mailbox: Any = None

    @property
    def backend_cls(self) -> type:
        return _telling(super().backend_cls)


def _telling(parent: type) -> type:
    """Ray Train's class has a private name: it is had from the configuration, which is public."""

    class TellingBackend(parent):  # type: ignore[misc]
        def on_start(self, worker_group: Any, backend_config: WorkerGroupTorchConfig) -> None:
            placement_group = worker_group.execute_single(0, get_current_placement_group)
            ray.get(backend_config.mailbox.reserved.remote(placement_group))
            super().on_start(worker_group, backend_config)

    return TellingBackend
