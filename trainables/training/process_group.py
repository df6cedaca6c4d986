"""The context of one rank of several: gradients, metrics and decisions over a torch process group.

Data-parallel training as in Li et al. 2020, "PyTorch Distributed" (VLDB 13): every rank holds the model, learns its
part of each global batch, and averages gradients with the others while they are computed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from trainables.context import Signal, running_time
from trainables.records import EpochRow


class ProcessGroupContext:
    """The context of one rank. Whoever started the rank has initialised the default process group."""

    def __init__(
        self, device: torch.device, report: Callable[[EpochRow], bool], time_limit: float | None = None
    ) -> None:
        """time_limit: seconds from now; the ranks agree on it after each epoch, since one must not leave alone."""
        self.rank = distributed.get_rank()
        self.world_size = distributed.get_world_size()
        self.device = device
        self._report = report
        self._ends = None if time_limit is None else running_time.seconds() + time_limit

    def wrap(self, module: nn.Module) -> nn.Module:
        return DistributedDataParallel(module)

    def unwrap(self, module: nn.Module) -> nn.Module:
        assert isinstance(module, DistributedDataParallel)
        inner = module.module
        assert isinstance(inner, nn.Module)
        return inner

    def no_sync(self, module: nn.Module) -> AbstractContextManager[None]:
        assert isinstance(module, DistributedDataParallel)
        return module.no_sync()

    def shard(self, count: int) -> slice:
        return slice(count * self.rank // self.world_size, count * (self.rank + 1) // self.world_size)

    def all_reduce(self, value: Tensor) -> Tensor:
        summed = value.clone()
        distributed.all_reduce(summed)
        return summed

    def gather(self, value: Tensor) -> Tensor:
        lengths = [torch.zeros(1, dtype=torch.int64, device=self.device) for _ in range(self.world_size)]
        distributed.all_gather(lengths, torch.tensor([len(value)], device=self.device))
        longest = int(max(length.item() for length in lengths))
        padded = value.new_zeros((longest, *value.shape[1:]))
        padded[: len(value)] = value
        parts = [torch.empty_like(padded) for _ in range(self.world_size)]
        distributed.all_gather(parts, padded)
        return torch.cat([part[: int(length.item())] for part, length in zip(parts, lengths, strict=True)])

    def sync_buffers(self, module: nn.Module) -> None:
        for buffer in module.buffers():
            distributed.broadcast(buffer, src=0)

    def agree_max(self, signal: Signal) -> Signal:
        if signal is Signal.GO_ON and self._ends is not None and running_time.seconds() > self._ends:
            signal = Signal.TIMED_OUT
        greatest = torch.tensor(int(signal), device=self.device)
        distributed.all_reduce(greatest, op=distributed.ReduceOp.MAX)
        return Signal(int(greatest.item()))

    def report(self, row: EpochRow) -> bool:
        return self.rank == 0 and self._report(row)

    def check(self) -> None:
        return
