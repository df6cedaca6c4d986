"""The total size of a step's gradients: measured, and kept below a limit."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """Of the parameters that took part."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def total_norm(gradients: Sequence[Tensor]) -> Tensor:
    """2-norm of all gradients as one vector (Pascanu et al. 2013, algorithm 1): a scalar, left on their device."""
    if not gradients:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))
    return norm


def clip(gradients: Sequence[Tensor], norm: Tensor, most: float) -> None:
    """Shorten the gradients in place so that their total norm, which is `norm`, is at most `most`.

    As torch.nn.utils.clip_grad_norm_ does it, without waiting for the device.
    """
    if gradients:
        torch._foreach_mul_(list(gradients), (most / (norm + 1e-6)).clamp(max=1.0))
