"""Filters against noise: the median and the Gaussian of a pixel's neighbours, and non-local means."""

from itertools import product
from math import ceil
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

DEVIATION: Final = 0.8
"""Of the Gaussian, in pixels: what OpenCV gives to a window of three."""
_REACH: Final = 4
"""Deviations after which it is cut off."""


def median(images: Tensor) -> Tensor:
    """The median of the 3 x 3 pixels around each (Gonzalez and Woods, "Digital Image Processing", section 5.3).

    images: (images, channels, height, width); the border is repeated outwards. The median of nine is the median of
    the greatest low, the middle middle and the smallest high of three sorted columns.
    """
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    above, here, below = padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]
    low, middle, high = _sorted(above, here, below)
    lowest_three, middle_three, highest_three = (_beside(each) for each in (low, middle, high))
    return _middle(_sorted(*lowest_three)[2], _middle(*middle_three), _sorted(*highest_three)[0])


def gaussian(images: Tensor) -> Tensor:
    """The mean of the pixels around each, weighted by a Gaussian of 0.8 pixels (same source, section 3.5)."""
    radius = ceil(_REACH * DEVIATION - 0.5)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-(steps**2) / (2 * DEVIATION**2))
    kernel = (weights / weights.sum()).to(images.dtype)
    count, channels, height, width = images.shape
    padded = F.pad(images, (radius,) * 4, mode="replicate").reshape(count * channels, 1, *_grown(images, radius))
    blurred = F.conv2d(F.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
    return blurred.reshape(count, channels, height, width)


def _grown(images: Tensor, radius: int) -> tuple[int, int]:
    return images.shape[-2] + 2 * radius, images.shape[-1] + 2 * radius


def _beside(padded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return padded[..., :-2], padded[..., 1:-1], padded[..., 2:]


def _sorted(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    b, c = torch.minimum(b, c), torch.maximum(b, c)
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    return a, b, c


def _middle(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))


# Non-local means (Buades, Coll and Morel 2005, "A Non-Local Algorithm for Image Denoising", CVPR, section 3).

WINDOW: Final = 4
"""Pixels to each side in which patches are compared."""
PATCH: Final = 2
"""Pixels to each side of a patch."""
STRENGTH: Final = 0.8
"""Of the filter, in deviations of the noise: of 0.4 to 1 what took most noise from photographs of 32 x 32."""
MIN_NOISE: Final = 1 / 255
"""One grey level: an image without noise keeps its details."""
_LAPLACIAN: Final = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))
_MIN_EXPONENT: Final = -60.0
"""Weights below are nothing; smaller ones would be subnormal numbers, which are computed very slowly."""
_GAIN: Final = 6.0
"""Deviation that white noise of 1 has under the mask above: the root of the sum of its squares."""
_NORMAL_MEDIAN: Final = 0.6744897501960817
"""Median of the absolute value of a standard normal number."""


def non_local_means(images: Tensor) -> Tensor:
    """Filtered by patches of 5 x 5 pixels over all channels. images: (images, channels, height, width), in 0..1."""
    noise = noise_level(images).clamp_min(MIN_NOISE)
    expected, width = 2 * noise**2, (STRENGTH * noise) ** 2
    reach = WINDOW + PATCH
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    here = _moved(padded, 0, 0, PATCH)
    total, weights = torch.zeros_like(images), torch.zeros_like(images[:, :1])
    for down, right in product(range(-WINDOW, WINDOW + 1), repeat=2):
        there = _moved(padded, down, right, PATCH)
        distance = _patch_means((here - there).square_().mean(1, keepdim=True))
        weight = (distance - expected).clamp_min_(0).mul_(-1 / width).clamp_min_(_MIN_EXPONENT).exp_()
        total.addcmul_(weight, _moved(padded, down, right, 0))
        weights += weight
    return total / weights


def noise_level(images: Tensor) -> Tensor:
    """Estimated deviation of each image's noise, (images, 1, 1, 1).

    The mask of Immerkaer (1996, "Fast Noise Variance Estimation"), which sees no plane or edge along the axes, and the
    median of its absolute values, which the edges that it sees do not move (Donoho and Johnstone 1994, section 3.1).
    """
    count, channels, height, width = images.shape
    mask = torch.tensor(_LAPLACIAN, dtype=images.dtype).view(1, 1, 3, 3)
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate").reshape(count * channels, 1, height + 2, width + 2)
    seen = F.conv2d(padded, mask).abs().reshape(count, -1)
    return (seen.median(dim=1).values / (_GAIN * _NORMAL_MEDIAN)).view(-1, 1, 1, 1)


def _moved(padded: Tensor, down: int, right: int, margin: int) -> Tensor:
    """The images in the padded ones, moved by so many pixels, with a margin around them."""
    start = WINDOW + PATCH - margin
    height, width = padded.shape[-2] - 2 * start, padded.shape[-1] - 2 * start
    return padded[..., start + down : start + down + height, start + right : start + right + width]


def _patch_means(squares: Tensor) -> Tensor:
    """The mean over each patch, (..., height, width) smaller by a margin of PATCH on each side."""
    return _sums(_sums(squares, -1), -2).div_((2 * PATCH + 1) ** 2)


def _sums(values: Tensor, dimension: int) -> Tensor:
    # adding moved copies takes a tenth of the time of avg_pool2d, which is not vectorised on a CPU
    side = 2 * PATCH + 1
    length = values.shape[dimension] - side + 1
    total = values.narrow(dimension, 0, length).clone()
    for start in range(1, side):
        total += values.narrow(dimension, start, length)
    return total
