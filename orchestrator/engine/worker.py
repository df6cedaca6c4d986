"""The client of a slot of one worker, which is a Ray actor. The driver imports this, and has no torch."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.engine import RunTrial, forks
from orchestrator.engine.forked_slot import SlotActor
from orchestrator.engine.placement import Placement
from orchestrator.engine.slot_process import SlotProcess
from orchestrator.engine.slots import SlotClient
from trainables.spec import TrialTask

_LOOK: Final = 1.0
"""Seconds between two looks at what became of submissions."""


class SlotProcessClient(SlotClient):
    """The client of a `SlotProcess`: in an actor of its own, or forked for one where this process has a fork server."""

    def __init__(self, name: str, placement: Placement, run_trial: RunTrial) -> None:
        (node,) = placement.nodes
        address = forks.address_for_slots()
        actor = ray.remote(SlotProcess if address is None else SlotActor).options(
            num_cpus=placement.shape.cpus,
            num_gpus=placement.shape.gpus,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            max_concurrency=2,  # an exchange that waits, and a submission beside it
            max_restarts=0,  # the engine replaces a slot itself, and knows what it was assigned
        )
        where = () if address is None else (address,)
        super().__init__(actor.remote(name, placement.shape, run_trial, *where))
        self._submissions: list[Any] = []
        self._looked = time.monotonic()

    def submit(self, trial_tasks: Sequence[TrialTask]) -> None:
        self._submissions.append(self._actor.submit.remote(trial_tasks))

    def failure(self) -> str | None:
        """Tasks that did not get there would be waited for without end: one may have no meaning in the slot's process."""
        if not self._submissions or time.monotonic() - self._looked < _LOOK:
            return None
        self._looked = time.monotonic()
        ready, self._submissions = ray.wait(self._submissions, num_returns=len(self._submissions), timeout=0)
        try:
            ray.get(ready)
        except ray.exceptions.RayActorError:  # its exchange tells more of it
            return None
        except ray.exceptions.RayError as error:
            return f"it could not take its tasks: {' '.join(str(error).split())[-500:]}"
        return None

    def close(self, *, graceful: bool) -> None:
        with contextlib.suppress(ray.exceptions.RayError):  # gone already
            ray.kill(self._actor)
