"""The card of a data set as one HTML file: `orch data DATASET --html FILE`."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from orchestrator.report.template import environment, write_page
from trainables.data.card import ClassImages, DataCard, ImageArray

_MIN_SIDE: Final = 64
"""Pixels that the shorter side of a small image is enlarged to, whole number by whole number."""
_MAX_SIDE: Final = 160
_FRAMES: Final = 4
"""Of a clip, spread over its length."""


@dataclass(frozen=True, slots=True)
class ClassGallery:
    """The images of a class as the page holds them."""

    name: str
    images: tuple[str, ...]
    """Addresses that hold the whole image."""


def write_data_page(card: DataCard, images: tuple[ClassImages, ...], output: Path) -> None:
    """Write the page. Raises UserError where it cannot be written."""
    write_page(render(card, images), output)


def render(card: DataCard, images: tuple[ClassImages, ...]) -> str:
    """The page as HTML that needs nothing else."""
    shown = [ClassGallery(group.name, tuple(map(address, group.images))) for group in images]
    return environment().get_template("data.html.j2").render(card=card, shown=shown, rows=_rows(card))


def _rows(card: DataCard) -> list[tuple[str, tuple[int, ...], int, float]]:
    """Return of each class its name, its examples by split and in all, and their share of the largest class."""
    totals = card.class_counts
    by_split = zip(*(split.classes for split in card.splits), strict=True)
    return [
        (name, counts, total, total / max(totals))
        for name, counts, total in zip(card.classes, by_split, totals, strict=True)
    ]


def address(array: ImageArray) -> str:
    """The image as an address that holds all of it. array: an input, as in `Examples`."""
    pixels = _bytes(array)
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    enlarged = max(1, -(-_MIN_SIDE // min(image.size)))
    if enlarged > 1:
        image = image.resize((image.width * enlarged, image.height * enlarged), Image.Resampling.NEAREST)
    image.thumbnail((_MAX_SIDE * max(1, image.width // image.height), _MAX_SIDE))
    stream = BytesIO()
    image.save(stream, "PNG")
    return f"data:image/png;base64,{b64encode(stream.getvalue()).decode()}"


def _bytes(array: ImageArray) -> NDArray[np.uint8]:
    """uint8 (1 or 3, height, width); the frames of a clip side by side, channels that no screen has left out."""
    if array.ndim == 4:
        chosen = np.unique(np.linspace(0, len(array) - 1, _FRAMES).round().astype(int))
        array = np.concatenate([array[index] for index in chosen], axis=2)
    pixels = array if array.dtype == np.uint8 else np.round(array * 255)
    shown = pixels if len(pixels) in (1, 3) else pixels[:1]
    return shown.astype(np.uint8)
