"""`densenet` against the sizes of its paper and against torchvision's blocks."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from trainables.dataset import DataInfo
from trainables.models._layers import DropoutSite
from trainables.models.densenet import Densenet
from trainables.training.costs import count_flops, count_parameters


def image(channels: int = 3, side: int = 32) -> DataInfo:
    return DataInfo("images", "image", (channels, side, side), "classification", tuple("abcdefghij"))


def parameters(channels: int, layers: int, k: int, compression: float) -> int:
    """Convolutions without biases, two numbers a map in each norm, one linear layer."""
    maps, total = 2 * k, 9 * channels * 2 * k
    for block in range(3):
        for _ in range(layers):
            total += 2 * maps + maps * 4 * k + 2 * 4 * k + 9 * 4 * k * k
            maps += k
        if block < 2:
            total += 2 * maps + maps * int(maps * compression)
            maps = int(maps * compression)
    return total + 2 * maps + maps * 10 + 10


@pytest.mark.parametrize(
    ("depth", "growth", "compression"), [(10, 4, 0.5), (16, 3, 1.0), (40, 12, 0.5), (100, 12, 0.5)]
)
def test_parameters_are_what_the_formula_says(depth: int, growth: int, compression: float) -> None:
    model = Densenet(depth=depth, growth=growth, compression=compression)
    with torch.device("meta"):
        module = model.build(image(), 10)
    assert count_parameters(module) == parameters(3, (depth - 4) // 6, growth, compression)


@pytest.mark.parametrize(("depth", "growth", "millions"), [(100, 12, 0.8), (250, 24, 15.3), (190, 40, 25.6)])
def test_sizes_are_those_of_the_paper(depth: int, growth: int, millions: float) -> None:
    with torch.device("meta"):
        module = Densenet(depth=depth, growth=growth).build(image(), 10)
    assert round(count_parameters(module) / 1e6, 1) == millions  # table 2


def test_it_computes_what_torchvisions_blocks_do() -> None:
    from torchvision.models import DenseNet

    torch.manual_seed(0)
    ours = Densenet(depth=16, growth=4).build(image(side=16), 10).eval()
    theirs = DenseNet(growth_rate=4, block_config=(2, 2, 2), num_init_features=8, num_classes=10)
    theirs.features.conv0 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    for name in ("norm0", "relu0", "pool0"):
        theirs.features.set_submodule(name, nn.Identity())
    names = list(theirs.state_dict())
    theirs.load_state_dict(dict(zip(names, ours.state_dict().values(), strict=True)))
    inputs = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(ours(inputs), theirs.eval()(inputs))


def test_operations_are_those_of_the_convolutions() -> None:
    k, side = 4, 16
    maps, multiply_adds = 2 * k, 27 * 2 * k * side**2
    for block in range(3):
        multiply_adds += (maps * 4 * k + 9 * 4 * k * k) * side**2
        maps += k
        if block < 2:
            multiply_adds += maps * (maps // 2) * side**2
            maps, side = maps // 2, side // 2
    model = Densenet(depth=10, growth=k)
    assert count_flops(model.build(image(side=16), 10), (3, 16, 16)) == 2 * (multiply_adds + maps * 10)


def test_dropout_stands_after_each_convolution_but_the_first() -> None:
    module = Densenet(depth=10).build(image(), 10)
    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d | DropoutSite)]
    assert [type(part) for part in parts] == [nn.Conv2d] + [nn.Conv2d, DropoutSite] * (2 * 3 + 2)


def test_the_smallest_images_train_in_a_batch_of_one_and_smaller_ones_are_refused() -> None:
    model = Densenet(depth=10, growth=2)
    assert model.unsupported_reason(image(1, 8)) is None
    assert torch.isfinite(model.build(image(1, 8), 3).train()(torch.rand(1, 1, 8, 8))).all()
    assert "at least 8x8" in (model.unsupported_reason(image(1, 7)) or "")


@pytest.mark.parametrize(
    "given", [{"depth": 41}, {"depth": 4}, {"growth": 0}, {"compression": 0}, {"compression": 1.5}]
)
def test_impossible_parameters_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Densenet.from_parameters(given)
