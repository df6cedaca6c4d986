"""The net sees exactly the pixels that its weights were trained with, however the data set standardises them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from trainables.models.pretrained.inputs import InputForm, PixelInputs

LITE0 = InputForm((3, 8, 8), (127 / 255,), (128 / 255,))
IMAGENET = InputForm((3, 8, 8), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def images(channels: int, side: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, channels, side, side), generator=generator, dtype=torch.uint8)


def standardised(pixels: Tensor, mean: list[float], std: list[float]) -> Tensor:
    shift, scale = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))
    return (pixels / 255 - shift) / scale


@pytest.mark.parametrize(
    ("mean", "std"), [([0.47, 0.45, 0.41], [0.25, 0.24, 0.26]), ([0.0], [1.0]), ([0.0], [1 / 255])]
)
def test_lite0_sees_x_minus_127_over_128(mean: list[float], std: list[float]) -> None:
    pixels = images(3)
    inputs = PixelInputs(3, LITE0)
    inputs.calibrate(mean, std)
    seen = inputs(standardised(pixels, mean, std))
    assert seen.shape == (4, 3, 8, 8)
    torch.testing.assert_close(seen, (pixels.float() - 127) / 128, rtol=0, atol=2e-6)


def test_torchvisions_nets_see_what_its_own_preset_makes() -> None:
    from torchvision.transforms._presets import ImageClassification

    pixels = images(3, 20)
    inputs = PixelInputs(3, InputForm((3, 14, 14), IMAGENET.mean, IMAGENET.std))
    inputs.calibrate((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    expected = ImageClassification(crop_size=14, resize_size=14)(pixels / 255)  # in floats: bytes would be rounded
    seen = inputs(standardised(pixels, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    torch.testing.assert_close(seen, expected, rtol=0, atol=5e-6)


def test_resizing_is_that_of_pillow() -> None:
    pixels = images(3, 32)
    for side in (13, 96):  # Pillow's bilinear filter is antialiased when it shrinks an image
        inputs = PixelInputs(3, InputForm((3, side, side), (0.0,), (1.0,)))
        seen = inputs(pixels / 255)
        for original, mine in zip(pixels, seen, strict=True):
            image = Image.fromarray(original.permute(1, 2, 0).numpy())
            pillow = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), np.float32)
            assert np.abs(pillow - 255 * mine.permute(1, 2, 0).numpy()).max() <= 1.01  # its results are whole numbers


def test_a_grey_image_is_the_same_in_all_three_channels() -> None:
    pixels = images(1)
    inputs = PixelInputs(1, IMAGENET)
    inputs.calibrate((0.13,), (0.31,))
    seen = inputs(standardised(pixels, [0.13], [0.31]))
    as_rgb = (pixels.expand(-1, 3, -1, -1) / 255 - torch.tensor(IMAGENET.mean).view(-1, 1, 1)) / torch.tensor(
        IMAGENET.std
    ).view(-1, 1, 1)
    torch.testing.assert_close(seen, as_rgb, rtol=0, atol=2e-6)


def test_a_colour_image_becomes_grey_as_pillow_makes_it() -> None:
    pixels = images(3)
    inputs = PixelInputs(3, InputForm((1, 8, 8), (0.0,), (1.0,)))
    inputs.calibrate((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    seen = inputs(standardised(pixels, [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]))
    for image, mine in zip(pixels, seen, strict=True):
        pillow = np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L"), np.float32)
        assert np.abs(pillow - 255 * mine[0].numpy()).max() <= 1


def test_untold_inputs_are_taken_for_pixels() -> None:
    pixels = images(3)
    inputs = PixelInputs(3, LITE0)
    torch.testing.assert_close(inputs(pixels / 255), (pixels.float() - 127) / 128, rtol=0, atol=2e-6)
