"""What a few passes beside the training tell of a net: how far gradients reach back, and what a batch keeps in memory.

They leave no trace: parameters, their gradients, buffers and random numbers are as they were.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Final

import torch
from torch import Tensor, nn

from trainables.interfaces import Model
from trainables.process_state.precision import autocast
from trainables.protocol import Protocol
from trainables.task import Task
from trainables.training.prepare import Prepared

_EXAMPLES: Final = 32
"""The first ones of the training split, so that all measurements of a trial, and all of its ranks, see the same."""


def gradient_reach(
    model: Model, module: nn.Module, task: Task, data: Prepared, protocol: Protocol, device: torch.device
) -> float | None:
    """|dL/dx_1| / |dL/dx_T|: how much of the gradient at the last step of a sequence is left at its first step.

    L is the task's plain loss, x_t what the net reads in step t; norms are means over a fixed batch of 32 training
    examples, without dropout. How gradients vanish over time: Pascanu et al. 2013, section 2.1. None where the net reads no
    sequence, or there is no gradient to compare with. Leaves the module in training mode.
    """
    ends = model.sequence_ends(data.info)
    if ends is None:
        return None
    indices = data.split.train[:_EXAMPLES]
    inputs, targets = next(iter(data.batches.evaluation(indices, len(indices), lambda count: slice(0, count))))
    inputs = inputs.detach().requires_grad_()
    module.eval()
    with torch.enable_grad(), _without_cudnn(device):
        with autocast(protocol, device):
            outputs = module(inputs)
        (gradient,) = torch.autograd.grad(task.loss(outputs.float(), targets), inputs)
    module.train()
    first, last = (float(gradient[end].flatten(1).double().norm(dim=1).mean()) for end in ends)
    reach = first / last if last > 0 else torch.nan
    return reach if reach < torch.inf else None


def activation_bytes(
    module: nn.Module, shape: tuple[int, ...], count: int, protocol: Protocol, device: torch.device
) -> int:
    """Bytes that autograd keeps for the backward pass of one training batch of `count` examples of this shape.

    What layers keep of their inputs and outputs, the batch itself among it, each storage once; neither parameters and
    buffers, which are there anyway, nor what is needed for a moment only. Leaves the module in training mode.
    """
    inputs = torch.zeros(max(2, count), *shape, device=device)  # batch norm has no statistics of one value
    if inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    known = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        # what a layer keeps of its own output leads back to that layer: held as it is, neither would ever be freed, and
        # no garbage collector sees it (torch.autograd.graph.saved_tensors_hooks)
        plain = tensor.detach()
        if _storage(plain) not in known:
            kept[_storage(plain)] = plain  # held, so that no other storage comes to lie where it was
        return plain

    buffers = [buffer.clone() for buffer in module.buffers()]
    module.train()
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        autocast(protocol, device),
    ):
        module(inputs)
    with torch.no_grad():
        for buffer, before in zip(module.buffers(), buffers, strict=True):
            buffer.copy_(before)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _without_cudnn(device: torch.device) -> AbstractContextManager[object]:
    """Its recurrent layers have a backward pass in training mode alone."""
    return torch.backends.cudnn.flags(enabled=False) if device.type == "cuda" else nullcontext()
