"""What `fit` is handed of the place where it runs: one process, or one rank of several. Never Ray itself."""

from __future__ import annotations  # who only reads results (`orch status`) comes by here and must not wait for torch

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from trainables.errors import TrialCancelled, TrialTimedOut
from trainables.records import EpochRow
from trainables.running_time import running_time

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


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
