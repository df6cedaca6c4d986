"""A rectangle in each example of a batch, as a mask on the device."""

from typing import NamedTuple

import torch
from torch import Tensor


class Rectangles(NamedTuple):
    """One for each example; each field int64 (batch,), in pixels. The ends lie outside; equal to the start: empty."""

    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor

    def area(self) -> Tensor:
        """Pixels in each: int64 (batch,)."""
        return (self.bottom - self.top) * (self.right - self.left)

    def mask(self, inputs: Tensor) -> Tensor:
        """True inside: bool (batch, 1, height, width), or with one more axis for clips, whose frames are masked alike."""
        each = (-1,) + (1,) * (inputs.ndim - 1)
        row = torch.arange(inputs.shape[-2], device=inputs.device).unsqueeze(1)
        column = torch.arange(inputs.shape[-1], device=inputs.device)
        rows = (row >= self.top.view(each)) & (row < self.bottom.view(each))
        return rows & (column >= self.left.view(each)) & (column < self.right.view(each))
