"""Filters against noise that look at a pixel's neighbours: the median and the Gaussian."""

from math import ceil
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

DEVIATION: Final = 0.8
"""Of the Gaussian, in pixels: what OpenCV gives to a window of three."""
_REACH: Final = 4
"""Deviations after which it is cut off."""


def median(pictures: Tensor) -> Tensor:
    """The median of the 3 x 3 pixels around each (Gonzalez and Woods, "Digital Image Processing", section 5.3).

    pictures: (pictures, channels, height, width); the border is repeated outwards. The median of nine is the median of
    the greatest low, the middle middle and the smallest high of three sorted columns.
    """
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    above, here, below = padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]
    low, middle, high = _sorted(above, here, below)
    lowest_three, middle_three, highest_three = (_beside(each) for each in (low, middle, high))
    return _middle(_sorted(*lowest_three)[2], _middle(*middle_three), _sorted(*highest_three)[0])


def gaussian(pictures: Tensor) -> Tensor:
    """The mean of the pixels around each, weighted by a Gaussian of 0.8 pixels (same source, section 3.5)."""
    radius = ceil(_REACH * DEVIATION - 0.5)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-(steps**2) / (2 * DEVIATION**2))
    kernel = (weights / weights.sum()).to(pictures.dtype)
    count, channels, height, width = pictures.shape
    padded = F.pad(pictures, (radius,) * 4, mode="replicate").reshape(count * channels, 1, *_grown(pictures, radius))
    blurred = F.conv2d(F.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
    return blurred.reshape(count, channels, height, width)


def _grown(pictures: Tensor, radius: int) -> tuple[int, int]:
    return pictures.shape[-2] + 2 * radius, pictures.shape[-1] + 2 * radius


def _beside(padded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return padded[..., :-2], padded[..., 1:-1], padded[..., 2:]


def _sorted(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    b, c = torch.minimum(b, c), torch.maximum(b, c)
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    return a, b, c


def _middle(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))
