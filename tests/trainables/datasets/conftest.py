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


@pytest.fixture
def data(place: DataLocation) -> Path:
    assert place.data is not None
    return place.data


@pytest.fixture
def birds(place: DataLocation, paint: PaintAt) -> Path:
    """Two classes; one image in a folder within a class, and what a user's folders hold besides."""
    assert place.data is not None
    root = place.data / "birds"
    paint(root / "owl" / "a.PNG", 10)
    paint(root / "owl" / "2024" / "spring" / "b.bmp", 20)
    paint(root / "crow" / "c.tif", 30)
    paint(root / "crow" / ".hidden.png", 99)
    paint(root / ".ipynb_checkpoints" / "d.png", 99)
    paint(root / "__MACOSX" / "crow" / "e.png", 99)
    paint(root / "loose.png", 99)
    (root / "owl" / "notes.txt").write_text("seen at dusk")
    return root
