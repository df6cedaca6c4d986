"""A net with its preprocessing in front: what leaves this program takes pixels as they are stored."""

import torch
from torch import Tensor, nn

from trainables.data.batches import Batches


class WithPreprocessing(nn.Module):
    """uint8 (batch, *shape) in 0..255, or float32 in 0..1 where the data are stored so, to what the net gives.

    Does bit for bit what `Batches.standardise` does.
    """

    def __init__(self, module: nn.Module, batches: Batches) -> None:
        super().__init__()
        self.module = module
        scale, shift = batches.scale_and_shift()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, pixels: Tensor) -> Tensor:
        scale, shift = self.get_buffer("scale"), self.get_buffer("shift")
        outputs: Tensor = self.module(pixels.to(torch.float32) * scale + shift)
        return outputs
