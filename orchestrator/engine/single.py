"""A slot of one worker: a Ray actor."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.engine import RunTrial
from orchestrator.engine.placement import Placed
from orchestrator.engine.slot import SlotProcess
from trainables.order import TrialOrder

WAIT: Final = 1.0
"""Seconds that an exchange waits in the slot for the first event."""
_LOOK: Final = 1.0
"""Seconds between two looks at what became of submissions."""


class Single:
    """The line to a `SlotProcess` in an actor of its own."""

    def __init__(self, name: str, placed: Placed, run_trial: RunTrial, gpus: float) -> None:
        """gpus: what it takes of its node's."""
        (node,) = placed.nodes
        actor = ray.remote(SlotProcess).options(
            num_cpus=placed.shape.cpus,
            num_gpus=gpus,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            max_concurrency=2,  # an exchange that waits, and a submission beside it
            max_restarts=0,  # the engine replaces a slot itself, and knows what was leased to it
        )
        self._actor: Any = actor.remote(name, placed.shape, run_trial)
        self._submissions: list[Any] = []
        self._looked = time.monotonic()

    def hail(self) -> Any:
        return self._actor.exchange.remote([], 0.0)

    def exchange(self, orders: Sequence[TrialOrder]) -> Any:
        return self._actor.exchange.remote(orders, WAIT)

    def submit(self, orders: Sequence[TrialOrder]) -> None:
        self._submissions.append(self._actor.submit.remote(orders))

    def stop(self, trial_id: str) -> None:
        self._actor.stop.remote(trial_id)

    def withdraw(self) -> Any:
        return self._actor.withdraw.remote()

    def trouble(self) -> str | None:
        """Orders that did not get there would be waited for without end: one may have no meaning in the slot's process."""
        if not self._submissions or time.monotonic() - self._looked < _LOOK:
            return None
        self._looked = time.monotonic()
        ready, self._submissions = ray.wait(self._submissions, num_returns=len(self._submissions), timeout=0)
        try:
            ray.get(ready)
        except ray.exceptions.RayActorError:  # its exchange tells more of it
            return None
        except ray.exceptions.RayError as error:
            return f"it could not take its orders: {' '.join(str(error).split())[-500:]}"
        return None

    def close(self, *, kindly: bool) -> None:
        with contextlib.suppress(ray.exceptions.RayError):  # gone already
            ray.kill(self._actor)
