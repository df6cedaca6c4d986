"""A slot of several workers: one long-lived Ray Train run whose ranks take one trial after another.

A Train run takes some 20 s to come up, so it is kept for all trials of its shape. Its ranks fetch orders from a desk
that both sides know; nothing else passes between them and the sweep.
"""

import contextlib
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import ray

from clusters.spec import DistributedSpec
from orchestrator.engine import RunTrial, Shape
from orchestrator.engine.gang_desk import GangDesk
from trainables.order import TrialOrder

WAIT: Final = 1.0
"""Seconds that an exchange waits at the desk for the first event."""
KIND_SECONDS: Final = 10.0
"""What the ranks are given to leave their loops when the slot is given back."""


@dataclass(frozen=True)
class RankSetting:
    """What each rank is started with."""

    desk: Any
    name: str
    shape: Shape
    run_trial: RunTrial
    storage: str
    """An empty folder: Train insists on one and keeps nothing in it."""


class Gang:
    """The line to a gang: its desk, and the Train run in a thread (its `fit` blocks until the run ends)."""

    def __init__(self, name: str, shape: Shape, run_trial: RunTrial, spec: DistributedSpec) -> None:
        desk = ray.remote(GangDesk).options(num_cpus=0, max_concurrency=2 * shape.workers + 4)
        self._desk: Any = desk.remote(shape.workers)
        self._storage = tempfile.mkdtemp(prefix="orch-train-")
        self._setting = RankSetting(self._desk, name, shape, run_trial, self._storage)
        self._shape, self._spec = shape, spec
        self._ended: str | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-train", daemon=True)
        self._thread.start()

    def exchange(self, orders: Sequence[TrialOrder]) -> Any:
        return self._desk.exchange.remote(orders, WAIT)

    def submit(self, orders: Sequence[TrialOrder]) -> None:
        self._desk.submit.remote(orders)

    def withdraw(self) -> Any:
        return self._desk.withdraw.remote()

    def trouble(self) -> str | None:
        return None if self._closing else self._ended

    def close(self, *, kindly: bool) -> None:
        self._closing = True
        with contextlib.suppress(ray.exceptions.RayError):  # gone already
            if kindly:
                self._desk.close.remote()
                self._thread.join(KIND_SECONDS)
            ray.kill(self._desk)  # ranks that are left see it go and end themselves
        shutil.rmtree(self._storage, ignore_errors=True)

    def _run(self) -> None:
        try:
            _trainer(self._setting, self._shape, self._spec).fit()
            self._ended = "its Ray Train run has ended"
        except Exception as error:  # noqa: BLE001 - it is reported as the slot's trouble
            # what comes after is the worker's address in Ray, which is gone
            said = " ".join(str(error).split()).partition(" Worker info:")[0]
            self._ended = f"its Ray Train run has ended: {said[:500]}"


def _trainer(setting: RankSetting, shape: Shape, spec: DistributedSpec) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    logging.getLogger("ray.train").setLevel(logging.ERROR)
    on_gpu = shape.gpus > 0
    backend = spec.backend if spec.backend != "auto" else ("nccl" if on_gpu else "gloo")
    return TorchTrainer(
        rank_loop,
        train_loop_config={"setting": setting},
        torch_config=TorchConfig(backend=backend, timeout_s=int(spec.group_timeout)),
        scaling_config=ScalingConfig(
            num_workers=shape.workers,
            use_gpu=on_gpu,
            resources_per_worker={"CPU": shape.cpus} | ({"GPU": shape.gpus} if on_gpu else {}),
        ),
        # nothing is ever reported or checkpointed through Train: rows go over the desk
        run_config=RunConfig(
            name=setting.name,
            storage_path=setting.storage,
            failure_config=FailureConfig(
                max_failures=0
            ),  # the engine replaces the gang, and knows what was leased to it
        ),
    )


def rank_loop(config: dict[str, RankSetting]) -> None:
    """What each rank of the Train run does until the desk closes. (Ray Train hands its loop a dictionary.)"""
    import torch
    from ray.train import get_context

    from orchestrator.engine.attempt import attempt
    from trainables.process_group import ProcessGroupContext
    from trainables.warm_up import warm_up

    setting = config["setting"]
    warm_up()
    rank = get_context().get_world_rank()
    _end_with_the_desk(setting.desk)
    torch.set_num_threads(setting.shape.cpus)
    device = ray.train.torch.get_device()
    number = 0
    while (order := ray.get(setting.desk.order.remote(number, 30.0))) is not False:
        if order is True:
            continue
        number += 1
        attempt(
            order,
            slot=setting.name,
            run_trial=setting.run_trial,
            context=partial(ProcessGroupContext, device, time_limit=order.spec.protocol.trial_timeout),
            emit=lambda event: ray.get(setting.desk.emit.remote(rank, event)),
        )


def _end_with_the_desk(desk: Any) -> None:
    """End this process when the gang is broken or its desk is gone: its other thread may hang in a collective."""

    def watch() -> None:
        try:
            while not ray.get(desk.wait_closed.remote(30.0)):
                continue
        except ray.exceptions.RayError:
            pass
        os._exit(1)

    threading.Thread(target=watch, name="watch-desk", daemon=True).start()
