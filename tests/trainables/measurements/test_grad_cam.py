"""Grad-CAM by hand, and the layer that it finds."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from tests.trainables.measurements.nets import CLASSES, asking, net_of
from trainables.dataset import DataInfo
from trainables.errors import NoMap
from trainables.measurements._grad_cam import grad_cam
from trainables.models.cnn3d import Cnn3d
from trainables.models.vit import Vit


def by_hand(before: nn.Module, after: nn.Module, inputs: Tensor, targets: Tensor, grid: tuple[int, int]) -> Tensor:
    """before: to maps (batch, channels, height, width) or to tokens, of which the last are those of the grid."""
    maps = before(inputs).detach().requires_grad_()
    for index, target in enumerate(targets):
        after(maps)[index, target].backward(retain_graph=True)
    activations, gradients = maps.detach(), maps.grad
    if maps.ndim == 3:
        patches = grid[0] * grid[1]
        activations, gradients = (
            torch.stack([each[:, -patches + place] for place in range(patches)], dim=2).view(len(inputs), -1, *grid)
            for each in (activations, gradients)
        )
    total = sum(
        gradients[:, channel].mean(dim=(1, 2))[:, None, None] * activations[:, channel]
        for channel in range(activations.shape[1])
    )
    return F.interpolate(total.clamp(min=0)[:, None], inputs.shape[-2:], mode="bilinear")[:, 0]


def test_maps_are_weighted_by_their_mean_gradients() -> None:
    net, (inputs, targets) = net_of("cnn").eval(), asking()
    expected = by_hand(net[:8], net[8:], inputs, targets, (2, 3))
    assert expected.any() and torch.allclose(grad_cam(net, inputs, targets), expected, atol=1e-6)


def test_of_a_resnet_it_takes_what_the_last_block_gives() -> None:
    net, (inputs, targets) = net_of("resnet").eval(), asking()
    place = [isinstance(part, nn.AdaptiveAvgPool2d) for part in net].index(True)
    expected = by_hand(net[:place], net[place:], inputs, targets, (2, 3))
    assert expected.any() and torch.allclose(grad_cam(net, inputs, targets), expected, atol=1e-6)


def test_a_map_of_one_pixel_shows_nothing_so_that_an_earlier_is_taken() -> None:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True))
    rest = nn.Sequential(nn.Conv2d(4, 6, (8, 12)), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(6, CLASSES))
    inputs, targets = asking()
    expected = by_hand(first, copy.deepcopy(rest), inputs, targets, (8, 12))
    assert torch.allclose(grad_cam(nn.Sequential(first, rest), inputs, targets), expected, atol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_parameters_may_be_frozen(frozen: bool) -> None:
    net, (inputs, targets) = net_of("resnet"), asking()
    plain = grad_cam(net, inputs, targets)
    net.requires_grad_(not frozen)
    assert torch.equal(grad_cam(net, inputs, targets), plain)


@pytest.mark.parametrize("pool", ["class_token", "mean"])
def test_of_a_vit_it_takes_the_tokens_of_the_patches(pool: str) -> None:
    torch.manual_seed(0)
    info = DataInfo("made_up", "image", (3, 8, 12), "classification", tuple("abcde"))
    net = Vit(depth=3, heads=2, width=16, pool=pool).build(info, CLASSES).eval()
    inputs, targets = asking()
    expected = by_hand(net[:4], net[4:], inputs, targets, (2, 3))
    assert expected.any() and torch.allclose(grad_cam(net, inputs, targets), expected, atol=1e-6)


def test_of_torchvisions_vit_too() -> None:
    torch.manual_seed(0)
    net = VisionTransformer(16, 4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=CLASSES).eval()
    nn.init.normal_(net.heads[0].weight)
    inputs, targets = asking((3, 16, 16))

    def before(pixels: Tensor) -> Tensor:
        tokens = torch.cat([net.class_token.expand(4, -1, -1), net._process_input(pixels)], dim=1)
        return net.encoder.layers[0](tokens + net.encoder.pos_embedding)

    def after(tokens: Tensor) -> Tensor:
        return net.heads(net.encoder.ln(net.encoder.layers[1](tokens))[:, 0])

    expected = by_hand(before, after, inputs, targets, (4, 4))
    assert expected.any() and torch.allclose(grad_cam(net, inputs, targets), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["mlp", "lstm"])
def test_a_net_without_maps_is_a_reason(name: str) -> None:
    net, (inputs, targets) = net_of(name), asking()
    with pytest.raises(NoMap, match="no feature maps of more than one pixel"):
        grad_cam(net, inputs, targets)
    padded = nn.Sequential(nn.ZeroPad2d(0), net)  # gives what looks like a map, and is the image
    with pytest.raises(NoMap, match="no feature maps of more than one pixel"):
        grad_cam(padded, inputs, targets)


def test_a_vit_of_a_single_patch_is_a_reason() -> None:
    info = DataInfo("made_up", "image", (3, 4, 4), "classification", tuple("abcde"))
    net = Vit(depth=1, heads=2, width=16).build(info, CLASSES)
    with pytest.raises(NoMap, match="2 tokens are no grid"):
        grad_cam(net, *asking((3, 4, 4)))


def test_a_clip_is_a_reason() -> None:
    shape = (2, 3, 8, 12)
    info = DataInfo("made_up", "clip", shape, "classification", tuple("abcde"))
    with pytest.raises(NoMap, match="of a clip"):
        grad_cam(Cnn3d(channels=(4,)).build(info, CLASSES), *asking(shape))
