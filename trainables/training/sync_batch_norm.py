"""Batch norm with the statistics of a whole batch, over all workers of a trial (Ioffe and Szegedy 2015, algorithm 1).

torch's own (`torch.nn.SyncBatchNorm`) refuses tensors on the CPU, so there is one here that takes them.
"""

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def synchronised(module: nn.Module, device: torch.device) -> nn.Module:
    """The module with every batch norm in it replaced by one that shares its statistics; parameters stay the same objects.

    For ranks of the default process group, all of which pass their part of every batch, even where it is empty.
    """
    if device.type == "cuda":
        made: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return made
    if isinstance(module, _BatchNorm):
        return SharedBatchNorm(module)
    for name, child in module.named_children():
        module.register_module(name, synchronised(child, device))
    return module


class SharedBatchNorm(_BatchNorm):
    """In training: statistics over all ranks' examples, with gradients through them. In evaluation: batch norm as it was."""

    def __init__(self, like: _BatchNorm) -> None:
        super().__init__(like.num_features, like.eps, like.momentum, like.affine, like.track_running_stats)
        self.weight, self.bias = like.weight, like.bias
        self.running_mean, self.running_var = like.running_mean, like.running_var
        self.num_batches_tracked = like.num_batches_tracked
        self.train(like.training)

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs: (this rank's examples, features, ...), of which there may be none."""
        if not self.training:
            return super().forward(inputs)
        axes = [0, *range(2, inputs.ndim)]
        shape = [1, -1, *[1] * (inputs.ndim - 2)]
        values = inputs.float()
        # the ranks meet as seldom as they can: twice on the way forward, twice on the way back
        own = values.new_tensor([inputs.numel() / inputs.shape[1]])
        sums = _summed(torch.cat([values.sum(axes), own]))
        count = sums[-1].detach()
        if count < 2:
            raise ValueError(f"batch norm has no statistics of one value per feature: {tuple(inputs.shape)}")
        mean = sums[:-1] / count
        centred = values - mean.view(shape)
        variance = _summed(centred.square().sum(axes)) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        outputs = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            outputs = outputs * self.weight.view(shape) + self.bias.view(shape)
        return outputs.to(inputs.dtype)

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Moving averages, as torch keeps them: of the unbiased variance."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)

    def _check_input_dim(self, inputs: Tensor) -> None:
        """Any number of dimensions: what it replaces has checked its own when the net was built for its data."""


class _Sum(torch.autograd.Function):
    """The sum over the ranks; so is its gradient, since each rank's value has gone into the outputs of all."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        return _all_reduced(value)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return _all_reduced(gradient)


def _all_reduced(value: Tensor) -> Tensor:
    summed = value.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(summed)
    return summed


def _summed(value: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(value)
    return summed
