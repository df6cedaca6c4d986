"""What a data set's options do to every image alike: grey, resized, noisy, filtered, in this order.

Done once a machine, before the decoded examples are kept. The noise comes before the filter, as a sensor's does, and
therefore is the same for every seed: a filtered copy could not be kept otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.memory import check_memory
from trainables.data.splits import stream
from trainables.data_options import DataOptions

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""As in Examples: uint8 in 0..255 or float32 in 0..1, (examples, ..., channels, height, width)."""

LUMA: Final = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601-7, section 2.5.1)."""
_FILTERS: Final = {"median": "median", "gaussian": "gaussian", "nlm": "non_local_means"}
"""Values of `denoise` that filter images one by one, and their functions in `denoising`."""
_PART: Final = 1 << 20
"""Numbers that are worked on at a time: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class StoredImages:
    """Images as they are stored."""

    inputs: Pixels
    content: Pixels
    """What two images are compared by: the inputs, or what they were before noise told copies apart."""


def shown(inputs: Pixels, options: DataOptions) -> StoredImages:
    """The images under the options. Those that are asked for nothing come back as they are.

    Raises UnfitOption where they would not fit into memory.
    """
    content = inputs
    if options.grayscale and inputs.shape[-3] == len(LUMA):
        content = in_parts(content, _grey, (*inputs.shape[1:-3], 1, *inputs.shape[-2:]))
    if options.resize is not None and options.resize != content.shape[-2:]:
        size = options.resize
        check_memory(len(content), (*content.shape[1:-2], *size), "resize", content.itemsize)
        content = in_parts(content, lambda part: _resized(part, size), (*content.shape[1:-2], *size))
    seen = noisy(content, options.pixel_noise) if options.pixel_noise else content
    if (filtered := _filter(options.denoise)) is not None:
        seen = in_parts(seen, filtered, seen.shape[1:])
    return StoredImages(seen, content if options.pixel_noise else seen)


def noisy(inputs: Pixels, deviation: float) -> Pixels:
    """Add Gaussian noise of this deviation (in 0..1) to every number, cut off at 0 and 1."""

    import torch

    generator = stream("pixel_noise", 0)

    def with_noise(part: Tensor) -> Tensor:
        return part + deviation * torch.from_numpy(generator.standard_normal(part.shape, dtype=np.float32))

    return in_parts(inputs, with_noise, inputs.shape[1:])


def in_parts(inputs: Pixels, change: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Pixels:
    """`change` on float32 images in 0..1, (images, channels, height, width); frames of clips are images.

    shape: of one example afterwards. What it gives is cut off at 0 and 1, and comes back in the type of the inputs.
    """

    import torch

    result: NDArray[Any] = np.empty((len(inputs), *shape), inputs.dtype)
    step = max(1, _PART // prod(inputs.shape[1:]))
    for start in range(0, len(inputs), step):
        part = torch.from_numpy(np.array(inputs[start : start + step], np.float32)).flatten(0, -4)
        if inputs.dtype == np.uint8:
            part = part.div_(255)
        changed = change(part).clamp(0, 1)
        if inputs.dtype == np.uint8:
            changed = changed.mul(255).round_()
        result[start : start + step] = changed.numpy().reshape(-1, *shape)
    return result


def _filter(denoise: str | None) -> Callable[[Tensor], Tensor] | None:
    """Return the filter; None where the images are not filtered, or not one by one."""
    if denoise not in _FILTERS:  # asked first: a driver that only decodes does without torch (ADR 11)
        return None
    from trainables.data import denoising

    found: Callable[[Tensor], Tensor] = getattr(denoising, _FILTERS[denoise])
    return found


def _grey(images: Tensor) -> Tensor:
    import torch

    return (images * torch.tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    import torch.nn.functional as F

    return F.interpolate(images, size, mode="bilinear", antialias=True)
