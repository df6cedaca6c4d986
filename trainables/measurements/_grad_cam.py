"""Grad-CAM (Selvaraju et al. 2017), which finds the layer by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.errors import NoMap
from trainables.measurements._attributions import asked, gradient_of, logits_of
from trainables.models._vit_net import Block

_OF_TORCHVISION: Final = "torchvision.models.vision_transformer.EncoderBlock"
"""Named, so that torchvision is not imported for nets that are not its own."""


def grad_cam(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """What the last feature maps speak for the class, each weighted by its mean gradient (equations 1 and 2): float32
    (batch, height, width), at least 0, brought to the inputs' size by bilinear interpolation.

    The maps are those of the last layer that gives (batch, channels, height, width) with more than one pixel. In a vision
    transformer they are the tokens of the patches as the last block takes them: of what it gives, a class token that is
    classified alone has taken no more from the others. net, inputs, targets: as in `_attributions`. Raises NoMap, with the
    reason, where the net has no such layer.
    """
    if inputs.ndim != 4:
        raise NoMap("Grad-CAM is of images: the feature maps of a clip are those of its frames")
    with asked(net, inputs), _last_maps(net, len(inputs)) as found:
        # gradients start at the inputs, so that they reach the maps where all parameters before them are frozen
        leaf = inputs.detach().clone().requires_grad_()
        logits = logits_of(net, leaf, targets)
        if not found:
            raise NoMap("the net has no feature maps of more than one pixel")
        gradient = gradient_of(logits, found[-1])
    maps, gradients = (_maps(tensor.detach().float(), inputs) for tensor in (found[-1], gradient))
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    spoken = F.relu((weights * maps).sum(dim=1, keepdim=True))
    return F.interpolate(spoken, inputs.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


@contextmanager
def _last_maps(net: nn.Module, batch: int) -> Iterator[list[Tensor]]:
    """Within it the last entry is what the net's last pass has had as maps, or tokens; empty where it had none."""
    blocks = [part for part in net.modules() if _takes_tokens(part)]
    found: list[Tensor] = []
    weighted = False

    def take_tokens(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found[:] = [inputs[0]]

    def take_maps(part: nn.Module, _: object, output: object) -> None:
        nonlocal weighted  # an input that no weights have seen yet, only cut or padded, is no feature map
        weighted = weighted or next(part.parameters(recurse=False), None) is not None
        if weighted and isinstance(output, Tensor) and output.ndim == 4 and len(output) == batch:
            found[:] = [output] if output[0, 0].numel() > 1 else found

    if blocks:
        hooks = [blocks[-1].register_forward_pre_hook(take_tokens)]
    else:
        hooks = [part.register_forward_hook(take_maps) for part in net.modules()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _takes_tokens(part: nn.Module) -> bool:
    """Whether it is a block of a vision transformer, from (batch, tokens, width) to the same shape."""
    return isinstance(part, Block) or f"{type(part).__module__}.{type(part).__name__}" == _OF_TORCHVISION


def _maps(tensor: Tensor, inputs: Tensor) -> Tensor:
    """(batch, channels, height, width): tokens are put back to where their patches are, without the class token."""
    if tensor.ndim == 4:
        return tensor
    height, width = inputs.shape[-2:]
    for patches in (tensor.shape[1], tensor.shape[1] - 1):
        side = round((height * width / max(patches, 1)) ** 0.5)
        if side and height % side == 0 and width % side == 0 and (height // side) * (width // side) == patches > 1:
            return tensor[:, -patches:].transpose(1, 2).reshape(len(tensor), -1, height // side, width // side)
    raise NoMap(f"its {tensor.shape[1]} tokens are no grid of patches of more than one")
