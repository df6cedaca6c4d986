"""Which part of an image is taken, against torchvision's transforms."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from trainables.data.image_decoder import at_random, middle
from trainables.data.images import EncodedImage, decode

SIZES = [(60, 100), (100, 60), (37, 37), (500, 20)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_the_middle_is_in_the_middle_and_has_the_ratio(size: tuple[int, int], ratio: float) -> None:
    height, width = size
    left, top, right, bottom = middle(ratio, 0.5)(height, width)
    assert (right - left) / (bottom - top) == pytest.approx(ratio)
    assert (left + right, top + bottom) == pytest.approx((width, height))
    assert max((right - left) / width, (bottom - top) / height) == pytest.approx(0.5)


def test_the_middle_stands_for_resizing_the_short_side_and_cutting_the_centre() -> None:
    across = np.linspace(0, 255, 160)[None, :] * np.ones((120, 1))
    down = np.linspace(0, 255, 120)[:, None] * np.ones((1, 160))
    image = Image.fromarray(np.stack([across, down, (across + down) / 2], -1).round().astype(np.uint8))
    stream = BytesIO()
    image.save(stream, "PNG")
    ours = decode(EncodedImage("x", stream.getvalue()), (3, 56, 56), middle(1, 56 / 64))
    theirs = v2.Compose([v2.Resize(64), v2.CenterCrop(56)])(image)
    np.testing.assert_allclose(ours, np.asarray(theirs).transpose(2, 0, 1), atol=2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_a_random_part_lies_within_the_image(size: tuple[int, int], ratio: float) -> None:
    height, width = size
    boxes = {at_random(5, example, ratio, 0.08)(height, width) for example in range(200)}
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert len(boxes) > 100 or size == (500, 20)


def test_a_random_part_is_distributed_as_torchvisions() -> None:
    torch.manual_seed(0)
    image = torch.zeros(3, 90, 120)
    theirs = np.array([v2.RandomResizedCrop(8).make_params([image])[key] for _ in range(4000) for key in KEYS])
    ours = np.array([as_params(at_random(1, example, 1.0, 0.08)(90, 120)) for example in range(4000)])
    for mine, other in zip(ours.T, theirs.reshape(-1, len(KEYS)).T, strict=True):
        spread = np.sqrt((mine.var() + other.var()) / 4000)
        assert abs(mine.mean() - other.mean()) < 4 * spread
        assert mine.std() == pytest.approx(other.std(), rel=0.06)


KEYS = ("top", "left", "height", "width")


def as_params(box: tuple[float, float, float, float]) -> tuple[float, ...]:
    left, top, right, bottom = box
    return top, left, bottom - top, right - left


def test_a_random_part_depends_on_the_epoch_and_the_example_alone() -> None:
    first = at_random(7, 3, 1.0, 0.08)
    assert first(50, 80) == first(50, 80) == at_random(7, 3, 1.0, 0.08)(50, 80)
    assert first(50, 80) != at_random(8, 3, 1.0, 0.08)(50, 80)
    assert first(50, 80) != at_random(7, 4, 1.0, 0.08)(50, 80)


def test_a_part_of_a_large_jpeg_comes_out_as_if_all_of_it_had_been_decoded() -> None:
    across = np.sin(np.linspace(0, 20, 1600))[None, :, None] * 100 + 128
    down = np.cos(np.linspace(0, 20, 1200))[:, None, None] * 20
    image = Image.fromarray((across + down + np.zeros((1, 1, 3))).round().astype(np.uint8))
    stream = BytesIO()
    image.save(stream, "JPEG", quality=95)
    box = (200.0, 100.0, 1000.0, 900.0)
    part = decode(EncodedImage("x", stream.getvalue()), (3, 32, 32), lambda height, width: box)
    whole = image.resize((32, 32), Image.Resampling.BILINEAR, box)
    np.testing.assert_allclose(part, np.asarray(whole).transpose(2, 0, 1), atol=6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_part_is_of_the_upright_image(orientation: int) -> None:
    upright = np.random.default_rng(0).integers(0, 256, (8, 12), np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(upright)
    undone = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transposes: 6 is undone by turning left, 8 by right
    if orientation in undone:
        stored = stored.transpose(undone[orientation])
    stream = BytesIO()
    stored.save(stream, "PNG", exif=exif)
    part = decode(EncodedImage("x", stream.getvalue()), (1, 4, 5), lambda height, width: (2, 1, 7, 5))
    np.testing.assert_array_equal(part[0], upright[1:5, 2:7])
