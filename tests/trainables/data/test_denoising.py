"""Filters against noise: each against another implementation, and whether it takes noise away."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor

from trainables.data import denoising as nlm
from trainables.data.denoising import DEVIATION, gaussian, median, noise_level, non_local_means


def drawn(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def of_each(images: Tensor, by: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.stack([[by(channel) for channel in image] for image in images.double().numpy()])


@pytest.mark.parametrize("shape", [(3, 2, 7, 9), (1, 1, 1, 1), (2, 3, 2, 5)])
def test_median_is_scipys(shape: tuple[int, ...]) -> None:
    images = drawn(*shape)
    expected = of_each(images, lambda channel: ndimage.median_filter(channel, size=3, mode="nearest"))
    np.testing.assert_array_equal(median(images).double().numpy(), expected)


@pytest.mark.parametrize("shape", [(3, 2, 7, 9), (1, 1, 1, 1), (2, 3, 2, 5)])
def test_gaussian_is_scipys(shape: tuple[int, ...]) -> None:
    images = drawn(*shape)
    expected = of_each(images, lambda channel: ndimage.gaussian_filter(channel, DEVIATION, mode="nearest"))
    np.testing.assert_allclose(gaussian(images).numpy(), expected, atol=1e-6)


def pixel_by_pixel(image: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Non-local means of one image (channels, height, width) as the article's formula reads."""
    channels, height, width = image.shape
    reach = nlm.WINDOW + nlm.PATCH
    padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode="edge")

    def patch(row: int, column: int) -> NDArray[np.float64]:
        return padded[:, row - nlm.PATCH : row + nlm.PATCH + 1, column - nlm.PATCH : column + nlm.PATCH + 1]

    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            total, weights = np.zeros(channels), 0.0
            for other_row in range(row + reach - nlm.WINDOW, row + reach + nlm.WINDOW + 1):
                for other_column in range(column + reach - nlm.WINDOW, column + reach + nlm.WINDOW + 1):
                    difference = patch(row + reach, column + reach) - patch(other_row, other_column)
                    distance = np.mean(difference**2)
                    weight = np.exp(-max(distance - 2 * noise**2, 0) / (nlm.STRENGTH * noise) ** 2)
                    total += weight * padded[:, other_row, other_column]
                    weights += weight
            result[:, row, column] = total / weights
    return result


@pytest.mark.parametrize("shape", [(2, 1, 6, 9), (1, 3, 5, 4)])
def test_non_local_means_is_the_articles_formula(shape: tuple[int, ...]) -> None:
    images = drawn(*shape)
    levels = noise_level(images).flatten().double().numpy()
    expected = [pixel_by_pixel(one, level) for one, level in zip(images.double().numpy(), levels, strict=True)]
    np.testing.assert_allclose(non_local_means(images).numpy(), np.stack(expected), atol=1e-5)


def photograph() -> Tensor:
    """Parts of a real photograph, 24 of 3 x 32 x 32."""
    pixels = torch.from_numpy(np.ascontiguousarray(load_sample_image("china.jpg"))).permute(2, 0, 1) / 255
    parts = pixels[:, :384, :640].unfold(1, 32, 32).unfold(2, 32, 32)
    return parts.permute(1, 2, 0, 3, 4).flatten(0, 1)[::10]


def test_the_noise_of_a_photograph_is_estimated() -> None:
    clean = photograph()
    for deviation in (0.05, 0.1, 0.2):
        noisy = clean + deviation * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
        assert float(noise_level(noisy).median()) == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize("clean", ["photograph", "digits"])
@pytest.mark.parametrize(("filtered", "least"), [(median, 1.2), (gaussian, 1.2), (non_local_means, 1.5)])
def test_every_filter_takes_noise_away(clean: str, filtered: Callable[[Tensor], Tensor], least: float) -> None:
    if clean == "photograph":
        images = photograph()
    else:  # enlarged, since a stroke of the original is one pixel wide
        digits = torch.from_numpy(load_digits().images[:64, None].astype(np.float32)) / 16
        images = torch.nn.functional.interpolate(digits, (28, 28), mode="bilinear", antialias=True)
    noisy = (images + 0.15 * torch.randn(images.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    before, after = ((each - images).square().mean() for each in (noisy, filtered(noisy)))
    assert float(before / after) > least


def test_a_image_without_noise_keeps_its_details() -> None:
    images = torch.zeros(1, 1, 16, 16)
    images[0, 0, 4:12, 4:12] = 1
    images[0, 0, 8, 8] = 0
    torch.testing.assert_close(non_local_means(images), images, atol=1e-6, rtol=0)
