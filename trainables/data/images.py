"""Decoding of single images, of whatever format and mode, to uint8 arrays of one shape.

An image is turned upright (EXIF), put on white where it is transparent, brought from 16 bits to 8, to grey or RGB,
and resized as a whole (bilinear with antialiasing; its sides may change their ratio). The first of several frames
counts.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from trainables.errors import BrokenImage

Item = TypeVar("Item")
Result = TypeVar("Result")
Shape = tuple[int, int, int]
"""Channels (1 grey, 3 RGB), height, width."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of an image, in its pixels."""
Choice = Callable[[int, int], Box]
"""From height and width of an upright image to the part of it that is wanted."""

_FORMATS: Final = (
    *("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM"),
    *("DIB", "ICO", "PCX", "QOI", "SGI", "SUN", "TGA"),
)
"""What an image may be, by Pillow's names. Never EPS, whatever the file is called: Pillow starts Ghostscript for it."""
MAX_PIXELS: Final = 178_956_970
"""Of an image that is decoded, half a GiB of RGB. More are refused from the header, before memory is taken for them."""
# Pillow counts where we cannot, as in the parts of an icon. It warns from this number on, and refuses twice as many. That a
# warning raises would be a setting of the process, which is put back after the trial that has loaded this module.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
_GREY: Final = frozenset({"1", "L", "LA", "La", "F"})
_TURNED: Final = frozenset({5, 6, 7, 8})
"""EXIF orientations whose upright image has height and width exchanged."""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An encoded image that has not been read."""

    name: str
    """What an error calls it: its path, or file#row."""
    content: str | bytes
    """The path of a file, or what a file would hold."""

    def stream(self) -> str | BytesIO:
        return BytesIO(self.content) if isinstance(self.content, bytes) else self.content


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself before its pixels are decoded."""

    height: int
    width: int
    grey: bool


@cache
def image_endings() -> frozenset[str]:
    """The endings of files that are taken for images, in lower case with their dots."""
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in _FORMATS)


def has_image_ending(name: str) -> bool:
    """Whether a file of this name is taken for an image."""
    return f".{name.rpartition('.')[2].lower()}" in image_endings()


def read_header(encoded: EncodedImage) -> Header:
    """Upright size, and whether it is grey. Raises BrokenImage."""
    with _opened(encoded) as image:
        width, height = image.size
        if _orientation(image) in _TURNED:
            width, height = height, width
        return Header(height, width, _is_grey(image))


@contextmanager
def _opened(encoded: EncodedImage) -> Iterator[Image.Image]:
    """The image before its pixels are decoded; refused where there are too many of them."""
    with _may_be_damaged(encoded), Image.open(encoded.stream(), formats=_FORMATS) as image:
        if math.prod(image.size) > MAX_PIXELS:
            raise Image.DecompressionBombError
        yield image


@contextmanager
def _may_be_damaged(encoded: EncodedImage) -> Iterator[None]:
    """What reading it raises becomes a BrokenImage: decoders raise anything on damaged bytes."""
    try:
        yield
    except MemoryError:  # the machine's fault, not the image's
        raise
    except Exception as damage:
        raise _broken(encoded, damage) from damage


def whole(height: int, width: int) -> Box:
    """Return all of an image."""
    return 0, 0, width, height


def decode(encoded: EncodedImage, shape: Shape, choose: Choice = whole) -> NDArray[np.uint8]:
    """A part of the image, unless chosen all of it, in this shape. Raises BrokenImage."""
    channels, height, width = shape
    with _opened(encoded) as image:
        orientation = _orientation(image)
        size = image.size[::-1] if orientation in _TURNED else image.size
        left, top, right, bottom = choose(size[1], size[0])
        # a JPEG of many megapixels is decoded at a half, a quarter or an eighth where that is more than enough
        magnified = max(size[0] / (right - left), size[1] / (bottom - top))
        image.draft(None, (math.ceil(2 * max(height, width) * magnified),) * 2)
        image.load()
        plain = _upright(_eight_bits(image), orientation).convert("L" if channels == 1 else "RGB")
        (wide, high), (whole_wide, whole_high) = plain.size, size
        box = (left * wide / whole_wide, top * high / whole_high, right * wide / whole_wide, bottom * high / whole_high)
        if plain.size != (width, height) or box != (0, 0, width, height):
            plain = plain.resize((width, height), Image.Resampling.BILINEAR, box)
    pixels = np.asarray(plain)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _orientation(image: Image.Image) -> int:
    """EXIF's, from 1 (upright) to 8."""
    # Pillow turns a TIFF upright by itself; asked of a PNG that does not have it up front, it would decode all of it
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in _GREY or image.mode.startswith("I")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in a mode of bytes without transparency."""
    if image.mode.startswith("I"):
        return _from_whole_numbers(np.asarray(image))
    if image.mode == "F":
        return _from_fractions(np.asarray(image))
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image


def _from_whole_numbers(values: NDArray[np.int32]) -> Image.Image:
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError(f"its values go from {values.min()} to {values.max()}, 16 bits hold 0 to 65535")
    return Image.fromarray(np.round(values / 257).astype(np.uint8))


def _from_fractions(values: NDArray[np.float32]) -> Image.Image:
    if not ((values >= 0) & (values <= 1)).all():  # false for NaN too
        raise ValueError("it holds fractions outside 0 to 1, or values that are not numbers")
    return Image.fromarray(np.round(values * 255).astype(np.uint8))


def _broken(encoded: EncodedImage, damage: Exception) -> BrokenImage:
    if encoded.content == b"" or (isinstance(encoded.content, str) and _is_empty(Path(encoded.content))):
        return BrokenImage(encoded.name, "it is empty")
    if isinstance(damage, Image.DecompressionBombError):
        return BrokenImage(
            encoded.name, f"it has more than {MAX_PIXELS:,} pixels, the most that is decoded; give a smaller copy"
        )
    if isinstance(damage, UnidentifiedImageError):
        return BrokenImage(encoded.name, f"it is in none of the formats {', '.join(_FORMATS)}")
    if isinstance(damage, OSError) and damage.strerror is not None:  # without the path, which the error has already
        return BrokenImage(encoded.name, damage.strerror)
    return BrokenImage(encoded.name, str(damage) or repr(damage))


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def read_each(read: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What is read of each. Raises BrokenImage naming all that are broken."""
    results: list[Result] = []
    broken: list[BrokenImage] = []
    for item in items:
        try:
            results.append(read(item))
        except BrokenImage as found:
            broken.append(found)
    raise_broken(broken)
    return results


def broken_among(batches: Iterable[Iterable[Item]], read: Callable[[Item], object], threads: int) -> list[BrokenImage]:
    """Return what reading raises, in the order of the items. No more than a batch is held at a time."""

    def broken(item: Item) -> BrokenImage | None:
        try:
            read(item)
        except BrokenImage as found:
            return found
        return None

    with ThreadPoolExecutor(threads) as pool:
        found = chain.from_iterable(pool.map(broken, batch) for batch in batches)
        return [one for one in found if one is not None]


def raise_broken(found: Sequence[BrokenImage]) -> None:
    """Raise the first of these, if there is one, with the names of the others."""
    if found:
        raise type(found[0])(found[0].path, found[0].why, tuple(each.path for each in found[1:]))
