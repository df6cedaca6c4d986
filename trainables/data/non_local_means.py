"""Non-local means (Buades, Coll and Morel 2005, "A Non-Local Algorithm for Image Denoising", CVPR, section 3).

A pixel becomes the mean of those around it whose patches look like its own, in whatever direction they lie. Weights are
those of the authors' later article (2011, Image Processing On Line, section 2), with a window of 9 in place of 21 pixels,
since the pictures here are small.
"""

from itertools import product
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW: Final = 4
"""Pixels to each side in which patches are compared."""
PATCH: Final = 2
"""Pixels to each side of a patch."""
STRENGTH: Final = 0.8
"""Of the filter, in deviations of the noise: of 0.4 to 1 what took most noise from photographs of 32 x 32."""
LEAST_NOISE: Final = 1 / 255
"""One grey level: a picture without noise keeps its details."""
_LAPLACIAN: Final = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))
_LEAST_EXPONENT: Final = -60.0
"""Weights below are nothing; smaller ones would be subnormal numbers, which are computed very slowly."""
_GAIN: Final = 6.0
"""Deviation that white noise of 1 has under the mask above: the root of the sum of its squares."""
_NORMAL_MEDIAN: Final = 0.6744897501960817
"""Median of the absolute value of a standard normal number."""


def non_local_means(pictures: Tensor) -> Tensor:
    """Filtered by patches of 5 x 5 pixels over all channels. pictures: (pictures, channels, height, width), in 0..1."""
    noise = noise_level(pictures).clamp_min(LEAST_NOISE)
    expected, width = 2 * noise**2, (STRENGTH * noise) ** 2
    reach = WINDOW + PATCH
    padded = F.pad(pictures, (reach,) * 4, mode="replicate")
    here = _moved(padded, 0, 0, PATCH)
    total, weights = torch.zeros_like(pictures), torch.zeros_like(pictures[:, :1])
    for down, right in product(range(-WINDOW, WINDOW + 1), repeat=2):
        there = _moved(padded, down, right, PATCH)
        distance = _patch_means((here - there).square_().mean(1, keepdim=True))
        weight = (distance - expected).clamp_min_(0).mul_(-1 / width).clamp_min_(_LEAST_EXPONENT).exp_()
        total.addcmul_(weight, _moved(padded, down, right, 0))
        weights += weight
    return total / weights


def noise_level(pictures: Tensor) -> Tensor:
    """Estimated deviation of each picture's noise, (pictures, 1, 1, 1).

    The mask of Immerkaer (1996, "Fast Noise Variance Estimation"), which sees no plane or edge along the axes, and the
    median of its absolute values, which the edges that it sees do not move (Donoho and Johnstone 1994, section 3.1).
    """
    count, channels, height, width = pictures.shape
    mask = torch.tensor(_LAPLACIAN, dtype=pictures.dtype).view(1, 1, 3, 3)
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate").reshape(count * channels, 1, height + 2, width + 2)
    seen = F.conv2d(padded, mask).abs().reshape(count, -1)
    return (seen.median(dim=1).values / (_GAIN * _NORMAL_MEDIAN)).view(-1, 1, 1, 1)


def _moved(padded: Tensor, down: int, right: int, margin: int) -> Tensor:
    """The pictures in the padded ones, moved by so many pixels, with a margin around them."""
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
