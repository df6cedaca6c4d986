"""Images that a trial leaves beside its figures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from trainables.data.files import atomic_write
from trainables.dataset import ImageArray

if TYPE_CHECKING:
    from torch import Tensor

_GAP: Final = 1
"""Black pixels between two images of a grid."""
_COLOURS: Final = 3


def grid(images: Tensor, columns: int) -> ImageArray:
    """Images side by side, row by row; places that stay empty are black.

    images: (images, channels, height, width), floats in 0..1. Other than 1 or 3 channels are averaged to grey.
    """
    if images.shape[1] != _COLOURS:
        images = images.mean(dim=1, keepdim=True)
    tiles = (images.detach().float().clamp(0, 1) * 255).round().byte().cpu().permute(0, 2, 3, 1).numpy()
    count, height, width, channels = tiles.shape
    rows = -(-count // columns)
    high, wide = height + _GAP, width + _GAP
    sheet = np.zeros((rows * high - _GAP, columns * wide - _GAP, channels), dtype=np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * high, number % columns * wide
        sheet[top : top + height, left : left + width] = tile
    return sheet.squeeze(2) if channels == 1 else sheet


def save_image(image: ImageArray, path: Path) -> None:
    """Write a PNG so that a reader sees the whole file or none. Raises OSError."""
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, format="PNG")
    atomic_write(encoded.getvalue(), path)
