"""Targets as probabilities of the classes: what labels become when they are smoothed, mixed or weighed."""

import torch
import torch.nn.functional as F
from torch import Tensor


def soft(targets: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Labels int64 (batch,) as (batch, classes) of ones and zeros; probabilities (batch, classes) as they are."""
    return targets.to(dtype) if targets.is_floating_point() else F.one_hot(targets, classes).to(dtype)


def soft_beside(outputs: Tensor, targets: Tensor) -> Tensor:
    """`soft` in the shape and type of a classifier's outputs."""
    return soft(targets, outputs.shape[1], outputs.dtype)
