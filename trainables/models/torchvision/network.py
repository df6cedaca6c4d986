"""A network of torchvision with a stem that fits and with the places that our regularizers know."""

from types import MethodType
from typing import Any

from torch import nn
from torchvision import models
from torchvision.ops import StochasticDepth

from trainables.models._layers import DropoutSite, StochasticDepthSite
from trainables.models.torchvision.stem import Stem, fit_stem, patch_side


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
