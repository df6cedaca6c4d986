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
from trainables.data.card import ClassPictures, DataCard, Picture

_LEAST_SIDE: Final = 64
"""Pixels that the shorter side of a small picture is enlarged to, whole number by whole number."""
_MOST_SIDE: Final = 160
_FRAMES: Final = 4
"""Of a clip, spread over its length."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The pictures of a class as the page holds them."""

    name: str
    pictures: tuple[str, ...]
    """Addresses that hold the whole picture."""


def write_data_page(card: DataCard, pictures: tuple[ClassPictures, ...], output: Path) -> None:
    """Write the page. Raises UserError where it cannot be written."""
    write_page(render(card, pictures), output)


def render(card: DataCard, pictures: tuple[ClassPictures, ...]) -> str:
    """The page as HTML that needs nothing else."""
    shown = [Shown(group.name, tuple(map(_address, group.pictures))) for group in pictures]
    return environment().get_template("data.html.j2").render(card=card, shown=shown, rows=_rows(card))


def _rows(card: DataCard) -> list[tuple[str, tuple[int, ...], int, float]]:
    """Of each class its name, its examples by split and in all, and their share of the largest class."""
    totals = card.class_counts
    by_split = zip(*(split.classes for split in card.splits), strict=True)
    return [
        (name, counts, total, total / max(totals))
        for name, counts, total in zip(card.classes, by_split, totals, strict=True)
    ]


def _address(picture: Picture) -> str:
    pixels = _bytes(picture)
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    enlarged = max(1, -(-_LEAST_SIDE // min(image.size)))
    if enlarged > 1:
        image = image.resize((image.width * enlarged, image.height * enlarged), Image.Resampling.NEAREST)
    image.thumbnail((_MOST_SIDE * max(1, image.width // image.height), _MOST_SIDE))
    stream = BytesIO()
    image.save(stream, "PNG")
    return f"data:image/png;base64,{b64encode(stream.getvalue()).decode()}"


def _bytes(picture: Picture) -> NDArray[np.uint8]:
    """uint8 (1 or 3, height, width); the frames of a clip side by side, channels that no screen has left out."""
    if picture.ndim == 4:
        chosen = np.unique(np.linspace(0, len(picture) - 1, _FRAMES).round().astype(int))
        picture = np.concatenate([picture[index] for index in chosen], axis=2)
    pixels = picture if picture.dtype == np.uint8 else np.round(picture * 255)
    shown = pixels if len(pixels) in (1, 3) else pixels[:1]
    return shown.astype(np.uint8)
