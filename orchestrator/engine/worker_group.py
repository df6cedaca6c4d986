"""A slot of several workers: one long-lived Ray Train run whose ranks take one trial after another.

A Train run takes some 20 s to come up, so it is kept for all trials of its shape. Its ranks fetch tasks from a mailbox
that both sides know; nothing else passes between them and the sweep.
"""

import contextlib
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clusters.errors import last_line
from clusters.nodes import NODE_LABEL
from clusters.ray_thread import RayThread
from clusters.spec import DistributedSpec
from clusters.temporary import temporary_folder
from orchestrator.engine import (
    AttemptFailed,
    AttemptFinished,
    Event,
    ExchangeResult,
    FailureKind,
    RunTrial,
    Shape,
    spoils,
)
from orchestrator.engine.placement import Placement
from orchestrator.engine.slot_process import own_bytes
from orchestrator.engine.slots import SlotClient
from trainables.process_state.change import SideEffects
from trainables.spec import TrialTask

# Where a worker group and the sweep meet: every rank gets every task; the first rank's events go out.

PATIENCE: Final = 3.0
"""Seconds that the other ranks are given to fail too."""


class WorkerGroupMailbox:
    """A small actor that belongs to no rank. Thread-safe."""

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._trial_tasks: dict[int, TrialTask] = {}
        self._submitted = 0
        self._fetched: dict[int, int] = {}
        self._events: deque[Event] = deque()
        self._stopped: set[str] = set()
        """Trials that have been told to stop."""
        self._concluded = 0
        """Tasks that all ranks have come to the end of."""
        self._ends: dict[int, AttemptFinished | AttemptFailed] = {}
        """Of the task that the ranks are at, by rank."""
        self._first_failure: float | None = None
        self._broken = False
        self._closed = False
        self._reservation: Any = None
        """What the ranks hold, for the slot to give back."""
        self._change = threading.Condition()

    # the sweep's side

    def submit(self, trial_tasks: Sequence[TrialTask]) -> None:
        with self._change:
            for trial_task in trial_tasks:
                self._trial_tasks[self._submitted] = trial_task
                self._submitted += 1
            self._change.notify_all()

    def withdraw(self) -> list[str]:
        """Take back the tasks that no rank has fetched yet, and say whose they were."""
        with self._change:
            unfetched = [number for number in self._trial_tasks if number not in self._fetched]
            self._submitted -= len(unfetched)  # they are the latest: the next task takes the number of the first
            return [self._trial_tasks.pop(number).trial_id for number in unfetched]

    def exchange(self, trial_tasks: Sequence[TrialTask], timeout: float) -> ExchangeResult:
        """Leave tasks and fetch all events; waits up to `timeout` seconds while there is none."""
        self.submit(trial_tasks)
        ends = time.monotonic() + timeout
        with self._change:
            while not self._events and (left := ends - time.monotonic()) > 0:
                self._change.wait(min(left, 0.5))
                self._lose_patience()
            events = list(self._events)
            self._events.clear()
            return ExchangeResult(events, own_bytes(), usable=not self._broken)

    def stop(self, trial_id: str) -> None:
        """The trial is to stop at the end of its epoch."""
        with self._change:
            self._stopped.add(trial_id)

    def close(self) -> None:
        """The ranks leave their loops."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def reservation(self) -> Any:
        """The ranks' placement group; None while there is none."""
        return self._reservation

    # the ranks' side

    def reserved(self, placement_group: Any) -> None:
        """The ranks are up, in this placement group."""
        self._reservation = placement_group

    def trial_task(self, number: int, timeout: float) -> TrialTask | bool:
        """The task of this number; True when there is none yet; False when the worker group is closed.

        Nor is there one while another rank is still at the task before: the ranks stay in step, so that what ends the
        worker group is never laid to a trial that the others had not begun.
        """
        with self._change:
            self._change.wait_for(lambda: self._closed or self._broken or self._is_next(number), timeout)
            if self._closed or self._broken:
                return False
            if not self._is_next(number):
                return True
            trial_task = self._trial_tasks[number]
            self._fetched[number] = self._fetched.get(number, 0) + 1
            if self._fetched[number] == self._ranks:
                del self._trial_tasks[number], self._fetched[number]
            return trial_task

    def emit(self, rank: int, event: Event) -> bool:
        """Whether the event's trial is to stop; the ranks agree on it."""
        with self._change:
            if isinstance(event, AttemptFinished | AttemptFailed):
                self._end(rank, event)
            elif rank == 0:
                self._events.append(event)
            self._change.notify_all()
            return event.trial_id in self._stopped

    def wait_closed(self, timeout: float) -> bool:
        """Whether the worker group is broken, so that a rank that hangs has to be ended; waits up to `timeout` seconds."""
        with self._change:
            self._change.wait_for(lambda: self._broken, timeout)
            return self._broken

    # inside

    def _is_next(self, number: int) -> bool:
        return number in self._trial_tasks and number <= self._concluded

    def _end(self, rank: int, event: AttemptFinished | AttemptFailed) -> None:
        if self._broken:
            return  # its verdict is out
        self._ends[rank] = event
        if isinstance(event, AttemptFailed) and self._first_failure is None:
            self._first_failure = time.monotonic()
        if len(self._ends) == self._ranks:
            self._conclude()

    def _conclude(self) -> None:
        verdict = _verdict(self._ends)
        self._events.append(verdict)
        self._stopped.discard(verdict.trial_id)
        self._ends = {}
        self._first_failure = None
        self._concluded += 1
        self._broken |= spoils(verdict)

    def _lose_patience(self) -> None:
        if self._first_failure is not None and time.monotonic() - self._first_failure >= PATIENCE:
            self._conclude()
            self._broken = True
            self._change.notify_all()


def _verdict(ends: dict[int, AttemptFinished | AttemptFailed]) -> AttemptFinished | AttemptFailed:
    """The first rank's end, unless a rank knows of a failure that is not only the echo of another's.

    With what any of them changed of its process.
    """
    failed = [end for _, end in sorted(ends.items()) if isinstance(end, AttemptFailed)]
    own = [end for end in failed if end.failure.kind is not FailureKind.WORKER_LOST]
    verdict = (own or failed)[0] if failed else ends[0]
    effects = [end.side_effects for end in ends.values() if end.side_effects is not None]
    return replace(verdict, side_effects=reduce(SideEffects.joined, effects)) if effects else verdict


GRACEFUL_SECONDS: Final = 10.0
"""What the ranks are given to leave their loops when the slot is given back."""
MAILBOX_SECONDS: Final = 2.0
"""What a mailbox that may have died is given to answer while its slot is closed."""


@dataclass(frozen=True)
class RankConfig:
    """What each rank is started with."""

    mailbox: Any
    name: str
    shape: Shape
    run_trial: RunTrial
    storage: str
    """An empty folder: Train insists on one and keeps nothing in it."""


class WorkerGroup(SlotClient):
    """The client of a worker group: its mailbox, and the Train run in a thread (its `fit` blocks until the run ends)."""

    def __init__(self, name: str, placement: Placement, run_trial: RunTrial, spec: DistributedSpec) -> None:
        """Raises NoTemporaryFolder."""
        shape = placement.shape
        self._storage = str(temporary_folder("orch-train-"))
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        mailbox = ray.remote(WorkerGroupMailbox).options(
            num_cpus=0,
            max_concurrency=2 * shape.workers + 4,
            scheduling_strategy=here,  # it must not go with a node that goes
        )
        super().__init__(mailbox.remote(shape.workers))
        self._setting = RankConfig(self._actor, name, shape, run_trial, self._storage)
        self._placement, self._spec = placement, spec
        self._ended: str | None = None
        self._closing = False
        self._thread = RayThread(target=self._run, name=f"{name}-train", daemon=True)
        self._thread.start()

    def failure(self) -> str | None:
        return None if self._closing else self._ended

    def close(self, *, graceful: bool) -> None:
        self._closing = True
        with contextlib.suppress(ray.exceptions.RayError):  # gone already
            if graceful:
                self._actor.close.remote()
                self._thread.join(GRACEFUL_SECONDS)
            reservation = ray.get(self._actor.reservation.remote(), timeout=MAILBOX_SECONDS)
            if reservation is not None:
                ray.util.remove_placement_group(reservation)  # gone already, unless the run failed as it came up
            ray.kill(self._actor)  # ranks that are left see it go and end themselves
        shutil.rmtree(self._storage, ignore_errors=True)

    def _run(self) -> None:
        try:
            _trainer(self._setting, self._placement, self._spec).fit()
            self._ended = "its Ray Train run has ended"
        except Exception as error:  # noqa: BLE001 - it is reported as the slot's failure
            self._ended = f"its Ray Train run has ended: {_said(error)}"


def _said(error: Exception) -> str:
    """Ray Train's message on one line, without a trace of its own code and the worker's address in Ray, which is gone."""
    text = str(error)
    if "Traceback" in text or text.count("\n  File ") > 0:
        text = f"{text.splitlines()[0]} {last_line(text)}"
    return " ".join(text.split()).partition(" Worker info:")[0][:500]


def _trainer(setting: RankConfig, placement: Placement, spec: DistributedSpec) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from orchestrator.engine.worker_group_backend import WorkerGroupTorchConfig

    logging.getLogger("ray.train").setLevel(logging.ERROR)
    shape = placement.shape
    on_gpu = shape.gpus > 0
    backend = spec.backend if spec.backend != "auto" else ("nccl" if on_gpu else "gloo")
    return TorchTrainer(
        rank_loop,
        train_loop_config={"setting": setting},
        torch_config=WorkerGroupTorchConfig(
            backend=backend, timeout_s=int(spec.group_timeout), mailbox=setting.mailbox
        ),
        scaling_config=ScalingConfig(
            num_workers=shape.workers,
            use_gpu=on_gpu,
            resources_per_worker={"CPU": shape.cpus} | ({"GPU": shape.gpus} if on_gpu else {}),
            # where the engine's accounting has found room for each
            label_selector=[{NODE_LABEL: node} for node in placement.nodes],  # type: ignore[call-arg]
        ),
        # nothing is ever reported or checkpointed through Train: rows go over the mailbox
        run_config=RunConfig(
            name=setting.name,
            storage_path=setting.storage,
            failure_config=FailureConfig(
                max_failures=0
            ),  # the engine replaces the worker group, and knows what it was assigned
        ),
    )


def rank_loop(config: dict[str, RankConfig]) -> None:
    """What each rank of the Train run does until the mailbox closes. (Ray Train hands its loop a dictionary.)"""
    import torch
    from ray.train import get_context

    from orchestrator.engine.attempt import attempt
    from trainables.process_state.watching import ProcessState
    from trainables.training.process_group import ProcessGroupContext
    from trainables.training.warm_up import warm_up

    setting = config["setting"]
    warm_up()
    rank = get_context().get_world_rank()
    _end_with_the_mailbox(setting.mailbox)
    torch.set_num_threads(setting.shape.cpus)
    state = ProcessState()
    device = ray.train.torch.get_device()
    number = 0
    while (trial_task := ray.get(setting.mailbox.trial_task.remote(number, 30.0))) is not False:
        if trial_task is True:
            continue
        number += 1
        attempt(
            trial_task,
            slot=setting.name,
            run_trial=setting.run_trial,
            context=partial(ProcessGroupContext, device, time_limit=trial_task.spec.protocol.trial_timeout),
            emit=lambda event: ray.get(setting.mailbox.emit.remote(rank, event)),
            state=state,
        )


def _end_with_the_mailbox(mailbox: Any) -> None:
    """End this process when the worker group is broken or its mailbox is gone: its other thread may hang in a collective."""

    def watch() -> None:
        try:
            while not ray.get(mailbox.wait_closed.remote(30.0)):
                continue
        except ray.exceptions.RayError:
            pass
        os._exit(1)

    threading.Thread(target=watch, name="watch-mailbox", daemon=True).start()
