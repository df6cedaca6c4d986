"""Random erasing: what is missing of an image, and by what it was replaced."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from trainables.regularizers.erasing import Erasing


def erased(erasing: Erasing, inputs: Tensor, seed: int = 0) -> Tensor:
    targets = torch.arange(len(inputs))
    outputs, after = erasing.on_batch(inputs, targets, torch.Generator().manual_seed(seed))
    assert torch.equal(targets, after)
    return outputs


def boxes(missing: Tensor) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of what is missing of each image; all has to be missing inside."""
    found = []
    for mask in missing:
        rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
        assert bool(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())
        found.append((int(rows[0]), int(columns[0]), len(rows), len(columns)))
    return found


def test_one_rectangle_of_the_asked_area_and_aspect_anywhere_in_the_image() -> None:
    white = torch.ones(2000, 1, 40, 40)
    outputs = erased(Erasing(probability=1.0, area=(0.1, 0.3), aspect=0.5, fill="black"), white)
    found = np.array(boxes(outputs[:, 0] == 0))
    top, left, height, width = found.T
    areas, ratios = height * width / 1600, height / width
    # sides are whole pixels: half a pixel on sides of at least 9
    assert 0.09 < areas.min() < 0.11 and 0.28 < areas.max() < 0.33
    assert abs(areas.mean() - 0.2) < 0.005
    assert 0.45 < ratios.min() < 0.6 and 1.8 < ratios.max() < 2.25
    assert top.min() == left.min() == 0
    assert (top + height).max() == (left + width).max() == 40
    assert abs((top + height / 2).mean() - 20) < 0.5 and abs((left + width / 2).mean() - 20) < 0.5


def test_aspects_are_uniform_as_in_the_paper() -> None:
    """Rand(r1, 1 / r1) has the mean (r1 + 1 / r1) / 2: tall rectangles are more frequent than wide ones."""
    white = torch.ones(3000, 1, 60, 60)
    found = np.array(boxes(erased(Erasing(probability=1.0, area=(0.1, 0.1), fill="black"), white)[:, 0] == 0))
    assert (found[:, 2] / found[:, 3]).mean() == pytest.approx((0.3 + 1 / 0.3) / 2, rel=0.03)


@pytest.mark.parametrize(("probability", "least", "most"), [(0.5, 430, 570), (1.0, 1000, 1000), (0.1, 65, 140)])
def test_its_share_of_the_images_is_changed(probability: float, least: int, most: int) -> None:
    white = torch.ones(1000, 1, 20, 20)
    changed = (erased(Erasing(probability=probability, fill="black"), white) == 0).flatten(1).any(1)
    assert least <= int(changed.sum()) <= most


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_filling_is_uniform_noise_of_each_pixel_and_channel(dtype: torch.dtype) -> None:
    inputs = torch.zeros(400, 3, 16, 16, dtype=dtype)
    outputs = erased(Erasing(probability=1.0, area=(0.3, 0.4)), inputs)
    assert outputs.dtype == dtype
    noise = outputs[outputs > 0].double() / (255 if dtype == torch.uint8 else 1)
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(noise.std()) == pytest.approx(12**-0.5, abs=0.01)
    assert float(noise.max()) > 0.99 and float(noise.min()) < 0.01
    red, green = outputs[:, 0].double().flatten(), outputs[:, 1].double().flatten()
    inside = (red > 0) & (green > 0)
    assert abs(float(torch.corrcoef(torch.stack((red[inside], green[inside])))[0, 1])) < 0.02


def test_all_frames_of_a_clip_lose_the_same_rectangle() -> None:
    outputs = erased(Erasing(probability=1.0, fill="black"), torch.ones(30, 4, 3, 12, 10))
    assert torch.equal(outputs, outputs[:, :1, :1].expand_as(outputs))
    assert bool((outputs == 0).flatten(1).any(1).all())


def test_a_rectangle_that_never_fits_leaves_the_image_whole() -> None:
    wide = torch.ones(20, 1, 2, 60)
    assert torch.equal(erased(Erasing(probability=1.0, area=(0.9, 0.9), aspect=1.0, fill="black"), wide), wide)


def test_the_generator_alone_decides_and_a_batch_may_be_empty() -> None:
    inputs = torch.rand(40, 3, 8, 8)
    first = erased(Erasing(), inputs, seed=3)
    torch.rand(10)
    assert torch.equal(first, erased(Erasing(), inputs, seed=3))
    assert not torch.equal(first, erased(Erasing(), inputs, seed=4))
    assert erased(Erasing(), inputs[:0]).shape == (0, 3, 8, 8)


def test_areas_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"smallest and the largest share.*not \[0.4, 0.02\]"):
        Erasing(area=(0.4, 0.02))
    with pytest.raises(ValidationError, match="greater than 0"):
        Erasing(area=(0.0, 0.02))
