"""Tiny data sets on disk, as their publishers and users lay them out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables.dataset import DataLocation

PaintAt = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    data = tmp_path / "data"
    data.mkdir()
    return DataLocation(data=data, beside=None, cache=tmp_path / "cache")


@pytest.fixture
def paint() -> PaintAt:
    """Write an image of one value (grey) or one colour: `paint(path, value, (height, width))`."""

    def write(path: Path, value: int | tuple[int, ...], size: tuple[int, int] = (4, 6)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((*size, *([len(value)] if isinstance(value, tuple) else [])), value, np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write
