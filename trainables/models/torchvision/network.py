"""A network of torchvision with a stem that fits and with the places that our regularizers know."""

import math
from types import MethodType
from typing import Any, Final

from torch import nn
from torchvision import models
from torchvision.ops import StochasticDepth

from trainables.models._choices import Stem
from trainables.models._layers import DropoutSite, StochasticDepthSite


def network(name: str, stem: Stem, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """An untrained network from (batch, *shape) to (batch, outputs).

    Raises ValueError where its architecture has no place for images of this shape; others fail when they are run.
    """
    channels, height, width = shape
    module: nn.Module = models.get_model(name, weights=None, num_classes=outputs, **_options(name, stem, height, width))
    fit_stem(module, stem, channels)
    if isinstance(module, models.VisionTransformer):  # checks what it is given
        module.image_size, module.patch_size = height, module.conv_proj.kernel_size[0]
    if isinstance(module, models.MNASNet):  # its own loader refuses weights that do not say from which version they are
        module._load_from_state_dict = MethodType(nn.Module._load_from_state_dict, module)
    _place_sites(module)
    return module


def _options(name: str, stem: Stem, height: int, width: int) -> dict[str, Any]:
    """Keyword arguments of torchvision's builder; torchvision's own type, passed on as it is."""
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):
        return {"image_size": _vit_size(int(name.rpartition("_")[2]), stem, height, width)}
    if name.startswith("maxvit"):  # the stem halves the image, or adapted does not
        return {"input_size": (2 * height, 2 * width) if stem == "adapt" else (height, width)}
    return {}


def _vit_size(patch: int, stem: Stem, height: int, width: int) -> int:
    """The side of an image that has as many of torchvision's patches as ours has of the stem's."""
    side = patch_side(patch) if stem == "adapt" else patch
    if height != width or height % side:
        raise ValueError(f"it reads square images with a side that is a multiple of {side}")
    return height // side * patch


def _place_sites(module: nn.Module) -> None:
    """Put our sites where torchvision has dropout and stochastic depth; dropout before the last layer if nowhere."""
    branches = [path for path, part in module.named_modules() if isinstance(part, StochasticDepth)]
    for place, path in enumerate(branches, start=1):
        module.set_submodule(path, StochasticDepthSite(place / len(branches)))
    dropouts = [path for path, part in module.named_modules() if isinstance(part, nn.Dropout)]
    for path in dropouts:
        module.set_submodule(path, DropoutSite())
    if not dropouts:
        path, last = [(path, part) for path, part in module.named_modules() if isinstance(part, nn.Linear)][-1]
        module.set_submodule(path, nn.Sequential(DropoutSite(), last))


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
