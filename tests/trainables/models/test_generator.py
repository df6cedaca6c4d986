"""The generator's shapes, range and size."""

import pytest
import torch

from trainables.models._gan_networks import Generator
from trainables.training.costs import count_parameters


@pytest.mark.parametrize(
    ("channels", "shape"),
    [((64, 32), (1, 28, 28)), ((8,), (3, 9, 14)), ((8, 4, 2), (2, 1, 30)), ((4, 4), (1, 1, 1))],
)
def test_it_makes_images_of_any_size_in_0_to_1(channels: tuple[int, ...], shape: tuple[int, ...]) -> None:
    module = Generator(5, channels, shape)
    images = module(100 * torch.randn(3, 5))
    assert images.shape == (3, *shape)
    assert images.min() >= 0 and images.max() <= 1
    assert module.eval()(torch.randn(1, 5)).shape == (1, *shape)


def test_its_parameters_are_what_the_formula_says() -> None:
    first = 100 * 64 * 7 * 7 + 2 * 64  # no bias; scale and shift of batch norm
    second = 64 * 32 * 16 + 2 * 32
    third = 32 * 16 + 1
    assert count_parameters(Generator(100, (64, 32), (1, 28, 28))) == first + second + third
