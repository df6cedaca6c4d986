"""Augmentation against the same change made to each example by itself."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.dataset import DataInfo
from trainables.models.mlp import Mlp
from trainables.regularizers.augment import Augment


def augmented(augment: Augment, inputs: Tensor, seed: int = 0) -> Tensor:
    changed, _ = augment.on_batch(inputs, torch.arange(len(inputs)), torch.Generator().manual_seed(seed))
    return changed


def images(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("shape", [(200, 1, 9, 5), (200, 3, 6, 8), (60, 4, 3, 6, 7)])
def test_each_example_is_one_of_the_windows_of_its_padded_self(shape: tuple[int, ...]) -> None:
    inputs, padding = images(*shape), 2
    height, width = shape[-2:]
    padded = np.pad(inputs.numpy(), [(0, 0)] * (len(shape) - 2) + [(padding, padding)] * 2)
    seen = set()
    for before, after in zip(padded, augmented(Augment(crop=padding), inputs).numpy(), strict=True):
        places = [
            (top, left)
            for top in range(2 * padding + 1)
            for left in range(2 * padding + 1)
            if np.array_equal(before[..., top : top + height, left : left + width], after)
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 15, "of 25 places"


@pytest.mark.parametrize("shape", [(400, 1, 4, 5), (400, 3, 2, 4, 5)])
def test_about_half_are_mirrored_left_to_right_and_the_rest_untouched(shape: tuple[int, ...]) -> None:
    inputs = images(*shape)
    outputs = augmented(Augment(flip=True), inputs)
    same = (outputs == inputs).flatten(1).all(dim=1)
    mirrored = (outputs == inputs.flip(-1)).flatten(1).all(dim=1)
    assert bool((same ^ mirrored).all())
    assert 150 < int(mirrored.sum()) < 250


def test_rotation_turns_about_the_centre_and_keeps_the_scale_of_images_that_are_not_square() -> None:
    height, width = 41, 61
    rows, columns = torch.meshgrid(torch.arange(height) - 20.0, torch.arange(width) - 30.0, indexing="ij")
    blob = torch.exp(-((rows - 0) ** 2 + (columns - 12) ** 2) / 8)  # 12 pixels right of the centre
    outputs = augmented(Augment(rotation=60), blob.expand(100, 1, height, width).contiguous())
    mass = outputs.sum(dim=(1, 2, 3))
    y = (outputs * rows).sum(dim=(1, 2, 3)) / mass
    x = (outputs * columns).sum(dim=(1, 2, 3)) / mass
    torch.testing.assert_close((x**2 + y**2).sqrt(), torch.full((100,), 12.0), atol=0.05, rtol=0)
    angles = torch.rad2deg(torch.atan2(y, x))
    assert float(angles.abs().max()) <= 60.5
    assert float(angles.max()) > 40 and float(angles.min()) < -40


@pytest.mark.parametrize("shape", [(60, 3, 8, 8), (60, 1, 5, 9), (30, 2, 3, 6, 7)])
def test_mirrored_and_turned_is_the_turn_of_the_mirrored(shape: tuple[int, ...]) -> None:
    inputs = images(*shape)
    both = augmented(Augment(flip=True, rotation=40), inputs, seed=5)
    draws = torch.Generator().manual_seed(5)
    mirrored = torch.rand(len(inputs), generator=draws) < 0.5
    angles = (torch.rand(len(inputs), generator=draws) * 2 - 1) * math.radians(40)
    height, width = shape[-2:]
    for before, after, mirror, angle in zip(inputs, both, mirrored, angles.tolist(), strict=True):
        planes = (before.flip(-1) if mirror else before).reshape(1, -1, height, width) / 255
        cosine, sine = math.cos(angle), math.sin(angle)
        turn = torch.tensor([[[cosine, -sine * height / width, 0], [sine * width / height, cosine, 0]]])
        grid = F.affine_grid(turn, [1, 1, height, width], align_corners=False)
        expected = F.grid_sample(planes, grid, align_corners=False).reshape(before.shape)
        torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)


def test_colour_stays_in_range_and_follows_its_definition_on_grey() -> None:
    flat = torch.full((300, 1, 3, 3), 100, dtype=torch.uint8)  # no contrast: brightness alone shows
    outputs = augmented(Augment(colour=0.4), flat)
    factors = outputs[:, 0, 0, 0] * 255 / 100
    assert 0.6 <= float(factors.min()) < 0.65 and 1.35 < float(factors.max()) <= 1.4
    extreme = augmented(Augment(colour=0.9), images(50, 3, 4, 4))
    assert float(extreme.min()) >= 0 and float(extreme.max()) <= 1


def test_saturation_keeps_the_grey_of_each_pixel() -> None:
    inputs = (images(50, 3, 4, 4).float() / 255) * 0.2 + 0.4  # away from the ends, where nothing is clipped
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey, changed = (inputs * luma).sum(1), (augmented(Augment(colour=0.1), inputs) * luma).sum(1)
    # brightness and contrast are one affine map of the grey for each example; saturation must not show in it
    for before, after in zip(grey.flatten(1), changed.flatten(1), strict=True):
        assert abs(float(torch.corrcoef(torch.stack((before, after)))[0, 1]) - 1) < 1e-4


def test_all_frames_of_a_clip_are_changed_alike() -> None:
    frame = images(20, 1, 3, 8, 6)
    clips = frame.expand(20, 5, 3, 8, 6).contiguous()
    outputs = augmented(Augment(crop=2, flip=True, rotation=30, colour=0.3), clips)
    assert outputs.shape == clips.shape
    torch.testing.assert_close(outputs, outputs[:, :1].expand_as(outputs), atol=0, rtol=0)


def test_the_generator_alone_decides() -> None:
    inputs, augment = images(40, 3, 8, 8), Augment(crop=2, flip=True, rotation=10, colour=0.2)
    first = augmented(augment, inputs, seed=3)
    torch.rand(10)
    assert torch.equal(first, augmented(augment, inputs, seed=3))
    assert not torch.equal(first, augmented(augment, inputs, seed=4))
    assert math.isclose(float(inputs.float().mean()), float(images(40, 3, 8, 8).float().mean())), "input untouched"


def test_a_crop_that_can_miss_the_image_is_refused_with_a_reason() -> None:
    data = DataInfo("tiny", "image", (1, 28, 4), "classification", ("a", "b"))
    assert "4 pixels of padding" in (Augment(crop=4).unsupported_reason(data, Mlp()) or "")
    assert Augment(crop=3).unsupported_reason(data, Mlp()) is None
    assert augmented(Augment(crop=3, flip=True), images(1, 1, 28, 4)).shape == (1, 1, 28, 4)


def test_a_batch_may_be_empty() -> None:
    everything = Augment(crop=1, flip=True, rotation=5, colour=0.2)
    assert augmented(everything, torch.zeros(0, 3, 8, 8, dtype=torch.uint8)).shape == (0, 3, 8, 8)
