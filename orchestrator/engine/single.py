"""A slot of one worker: a Ray actor."""

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import ray

from orchestrator.engine import RunTrial, Shape
from orchestrator.engine.slot import SlotProcess
from trainables.order import TrialOrder

WAIT: Final = 1.0
"""Seconds that an exchange waits in the slot for the first event."""


class Single:
    """The line to a `SlotProcess` in an actor of its own."""

    def __init__(self, name: str, shape: Shape, run_trial: RunTrial, gpus: float) -> None:
        actor = ray.remote(SlotProcess).options(
            num_cpus=shape.cpus,
            num_gpus=gpus,
            max_concurrency=2,  # an exchange that waits, and a submission beside it
            max_restarts=0,  # the engine replaces a slot itself, and knows what was leased to it
        )
        self._actor: Any = actor.remote(name, shape, run_trial)

    def exchange(self, orders: Sequence[TrialOrder]) -> Any:
        return self._actor.exchange.remote(orders, WAIT)

    def submit(self, orders: Sequence[TrialOrder]) -> None:
        self._actor.submit.remote(orders)

    def withdraw(self) -> Any:
        return self._actor.withdraw.remote()

    def trouble(self) -> str | None:
        return None

    def close(self, *, kindly: bool) -> None:
        with contextlib.suppress(ray.exceptions.RayError):  # gone already
            ray.kill(self._actor)
