"""Images kept beside the figures: what stands where, and whole files only."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.training.image import grid, save_image


def test_grey_images_stand_row_by_row_with_a_black_line_between() -> None:
    sheet = grid(torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1, 1).expand(3, 1, 2, 2), columns=2)
    assert sheet.tolist() == [
        [51, 51, 0, 102, 102],
        [51, 51, 0, 102, 102],
        [0, 0, 0, 0, 0],
        [153, 153, 0, 0, 0],
        [153, 153, 0, 0, 0],
    ]


def test_colours_stay_and_other_channels_become_grey() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert grid(red, columns=1).tolist() == [[[255, 0, 0]]]
    assert grid(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), columns=1).tolist() == [[128]]
    assert grid(torch.tensor([[[[7.0]]], [[[-7.0]]]]), columns=2).tolist() == [[255, 0, 0]]


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_a_png_gives_back_every_pixel(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "images" / "a.png"
    save_image(np.zeros((1, 1), np.uint8), path)
    save_image(image, path)
    assert np.array_equal(np.asarray(Image.open(path)), image)
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.mkdir()
    with pytest.raises(OSError, match=r"a\.png"):
        save_image(np.zeros((2, 2), np.uint8), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
