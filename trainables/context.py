"""What `fit` is handed of the place where it runs: one process, or one rank of several, and a clock. Never Ray itself."""

from __future__ import annotations  # who only reads results (`orch status`) comes by here and must not wait for torch

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from trainables.errors import TrialCancelled, TrialTimedOut
from trainables.records import EpochRow

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


# Seconds in which this process could run: a monotonic clock that stands still while the process is stopped. Ctrl-Z, SIGSTOP
# and a paused container or virtual machine stop a process and not its monotonic clock: what was trained, waited for and
# limited in time has then taken less than that one says.

TICK_SECONDS: Final = 1.0
"""How often the clock looks at itself."""
STOPPED_SECONDS: Final = 3.0
"""Seconds without a look after which the process may have been stopped."""
BUSY_SHARE: Final = 0.1
"""A process that used more than this share of the time was at work, in a call that lets no other thread run."""


class RunningClock:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last, self._last_used = time.monotonic(), time.process_time()
        self._stopped = self._reported = 0.0
        self._ticked_by: int | None = None
        """The process whose thread looks: a fork has none."""

    def seconds(self) -> float:
        """The reading; differences count."""
        if self._ticked_by != os.getpid():
            self._begin()
        return self._look()

    def stopped_since(self) -> float:
        """Seconds for which the process was stopped since this was asked last."""
        self.seconds()
        with self._lock:
            stopped, self._reported = self._stopped - self._reported, self._stopped
        return stopped

    def _begin(self) -> None:
        """What passed unobserved is no standstill."""
        self._ticked_by = os.getpid()
        with self._lock:
            self._last, self._last_used = time.monotonic(), time.process_time()
        threading.Thread(target=self._tick, name="running-time", daemon=True).start()

    def _tick(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            self._look()

    def _look(self) -> float:
        with self._lock:
            now, used = time.monotonic(), time.process_time()
            passed = now - self._last
            if passed > STOPPED_SECONDS and used - self._last_used < BUSY_SHARE * passed:
                self._stopped += passed - TICK_SECONDS
            self._last, self._last_used = now, used
            return now - self._stopped


running_time: Final = RunningClock()
"""This process'."""


class Signal(IntEnum):
    """What the ranks agree on after each epoch; the greatest wins."""

    GO_ON = 0
    STOP = 1
    DIVERGED = 2
    TIMED_OUT = 3
    CANCELLED = 4


class Context(Protocol):
    """One rank's view of its group. All methods are called by every rank in the same order."""

    rank: int
    world_size: int
    device: torch.device

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over the ranks."""

    def unwrap(self, module: nn.Module) -> nn.Module:
        """The module that `wrap` was given."""

    def no_sync(self, module: nn.Module) -> AbstractContextManager[None]:
        """Passes of a module from `wrap` inside leave this rank's own gradients; the next one outside averages the sum."""

    def shard(self, count: int) -> slice:
        """Which of `count` examples of a global batch or an evaluation split are this rank's: contiguous, in rank order."""

    def all_reduce(self, value: Tensor) -> Tensor:
        """Sum over the ranks."""

    def gather(self, value: Tensor) -> Tensor:
        """The ranks' tensors joined along the first axis in rank order (lengths may differ); the same on every rank."""

    def sync_buffers(self, module: nn.Module) -> None:
        """Give every rank the first one's buffers (batch-norm statistics differ between ranks)."""

    def agree_max(self, signal: Signal) -> Signal:
        """The greatest signal of all ranks."""

    def report(self, row: EpochRow) -> bool:
        """Hand out an epoch's row; only the first rank's counts. Whether the trial is to stop here, for having done its
        part; what the ranks do they agree on."""

    def check(self) -> None:
        """Raise TrialTimedOut or TrialCancelled when the trial has to end. Cheap: called before every step."""


class SingleContext:
    """The context of one process on its own."""

    rank = 0
    world_size = 1

    def __init__(
        self,
        device: torch.device,
        report: Callable[[EpochRow], bool],
        time_limit: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """time_limit: seconds from now in which the process can run."""
        self.device = device
        self.report = report
        self._ends = None if time_limit is None else running_time.seconds() + time_limit
        self._limit = time_limit
        self._cancelled = cancelled

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def unwrap(self, module: nn.Module) -> nn.Module:
        return module

    def no_sync(self, module: nn.Module) -> AbstractContextManager[None]:
        return nullcontext()

    def shard(self, count: int) -> slice:
        return slice(0, count)

    def all_reduce(self, value: Tensor) -> Tensor:
        return value

    def gather(self, value: Tensor) -> Tensor:
        return value

    def sync_buffers(self, module: nn.Module) -> None:
        return

    def agree_max(self, signal: Signal) -> Signal:
        return signal

    def check(self) -> None:
        if self._ends is not None and running_time.seconds() > self._ends:
            raise TrialTimedOut(f"the time limit of {self._limit:g} s (protocol.trial_timeout) has passed")
        if self._cancelled():
            raise TrialCancelled("the sweep is stopping")
