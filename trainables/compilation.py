"""torch.compile before training begins, so that its time is set-up and no step waits for it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainables.precision import autocast

if TYPE_CHECKING:
    from trainables.learner import LearnerParts


def load_compiler() -> None:
    """Have torch do what it does as a process compiles for the first time. Takes some ten seconds.

    It imports much, wraps functions of its optimizers and modules, raises the recursion limit, sets variables of the
    environment and starts threads.
    """
    with torch.random.fork_rng([]):
        small = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        outputs: Tensor = torch.compile(small)(torch.zeros(2, 2))
        torch.autograd.backward(outputs.sum())


def compiled(module: nn.Module, parts: "LearnerParts") -> Callable[[Tensor], Tensor]:
    """The module compiled for a full batch, and for one of any size (an epoch's last may be smaller).

    Where gradients are accumulated, batches are the parts. The warm-up runs forward and backward passes over zeros. What
    they change (batch-norm statistics, gradients, the random state) is put back, so the first step finds everything as it
    was built.
    """
    # what earlier trials compiled would count against the limit of recompilations, after which all runs uncompiled
    torch.compiler.reset()
    result: Callable[[Tensor], Tensor] = torch.compile(module)
    full = parts.context.shard(parts.protocol.batch_size)
    size = max(1, (full.stop - full.start) // parts.protocol.accumulate)
    buffers = [buffer.clone() for buffer in parts.module.buffers()]
    devices = [parts.context.device] if parts.context.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        for count in {size: None, max(2, size // 2): None}:
            _pass(result, count, parts)
    with torch.no_grad():
        for buffer, before in zip(parts.module.buffers(), buffers, strict=True):
            buffer.copy_(before)
    parts.module.zero_grad(set_to_none=True)
    return result


def _pass(module: Callable[[Tensor], Tensor], count: int, parts: "LearnerParts") -> None:
    inputs = torch.zeros(count, *parts.data.shape, device=parts.context.device)
    if inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with autocast(parts.protocol, parts.context.device):
        outputs = module(inputs)
    torch.autograd.backward(outputs.float().sum())
