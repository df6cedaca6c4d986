"""The first layers of a network, made to fit the images: as many channels, and for small ones no loss of pixels."""

import math
from typing import Final, Literal

from torch import nn

Stem = Literal["adapt", "original"]

_SMALLER: Final = 4
"""Images of CIFAR and the like have about a fourth of the side that ImageNet networks cut into patches ..."""
_FEWEST: Final = 2
"""... but a patch has at least this side."""


def fit_stem(module: nn.Module, stem: Stem, channels: int) -> None:
    """Put the first convolution in place anew where it does not fit.

    stem adapt: a convolution that passes over pixels becomes a 3x3 one that does not, and the first pool of the network
    goes, as He et al. 2016 (sec. 4.2) change theirs for CIFAR; one that cuts patches cuts smaller ones (`patch_side`).
    A new convolution is drawn as He et al. 2015.
    """
    path, first = next((path, part) for path, part in module.named_modules() if isinstance(part, nn.Conv2d))
    kernel, stride, padding = _sides(first)
    if stem == "adapt" and stride > 1:
        if kernel == stride:
            kernel = stride = patch_side(kernel)
        else:
            kernel, stride, padding = 3, 1, 1
            _leave_out_the_first_pool(module)
    if (kernel, stride, padding) == _sides(first) and channels == first.in_channels:
        return
    module.set_submodule(path, _convolution(first, channels, kernel, stride, padding))


def patch_side(original: int) -> int:
    """The side of a patch that an adapted stem cuts, in pixels: a power of two, which the sides of small images have."""
    return max(_FEWEST, 1 << round(math.log2(original / _SMALLER)))


def _sides(convolution: nn.Conv2d) -> tuple[int, int, int]:
    kernel, stride, padding = convolution.kernel_size[0], convolution.stride[0], convolution.padding[0]
    assert isinstance(padding, int)
    return kernel, stride, padding


def _convolution(like: nn.Conv2d, channels: int, kernel: int, stride: int, padding: int) -> nn.Conv2d:
    made = nn.Conv2d(channels, like.out_channels, kernel, stride, padding, bias=like.bias is not None)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    if made.bias is not None:
        nn.init.zeros_(made.bias)
    return made


def _leave_out_the_first_pool(module: nn.Module) -> None:
    pool = next((path for path, part in module.named_modules() if isinstance(part, nn.MaxPool2d)), None)
    if pool is not None:
        module.set_submodule(pool, nn.Identity())
