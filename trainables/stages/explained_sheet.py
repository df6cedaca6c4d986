"""Pictures beside maps of where a net's answers to them come from, as one PNG: drawn, and read again.

A row a picture, a column a method. Maps lie over the picture in grey: vermilion speaks for the answer and blue against it
(Okabe and Ito 2008, which colour-blind people tell apart), and green is how much a pixel matters where a method gives no
sign. Each map has its full colour at the 99th percentile of its own sizes, as captum draws them, so that a few pixels do not
pale all others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from json import dumps
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from pydantic import TypeAdapter

from trainables.dataset import ImageArray

UNSIGNED: Final = frozenset({"saliency"})
"""Methods whose maps say how much a pixel matters, and not for what."""
_FOR, _AGAINST, _MATTERS = (np.array(colour, np.float32) for colour in ((213, 94, 0), (0, 114, 178), (0, 158, 115)))
_FULL: Final = 0.99
"""Share of a map's sizes that its colour tells apart."""
_DARKEST, _LIGHTEST = 70, 215
"""What black and white of a picture become below a map, whose colours are to be seen on both."""
_SIDE: Final = 96
"""Pixels of a tile, at most."""
_GAP: Final = 6
_LINE: Final = 16
"""Height of a line of text."""
_TEXT: Final = 13
_PAPER, _INK, _SOFT, _WRONG = (255, 255, 255), (32, 33, 36), (95, 99, 104), (178, 58, 0)
_LETTERS: Final = "latin-1"
"""What Pillow's own typeface has."""
_KEPT_AS: Final = "orch explain"
"""Of the text in the PNG that says what it shows."""
_MOST_PIXELS: Final = 1 << 25
"""Of a PNG that is read: what is drawn here is far smaller."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """What is told of one picture."""

    about: str
    """Why it is there, or the name of its file."""
    target: str | None
    """Its class; None where nobody knows it."""
    answer: str
    probability: float
    """Of the answer."""
    below: tuple[str, ...] = ()
    """A line below the map of each method; none at all where nothing is said."""

    @property
    def wrong(self) -> bool:
        return self.target is not None and self.target != self.answer

    @property
    def text(self) -> str:
        """On one line, for who does not see the picture."""
        said = f"{self.answer} ({self.probability:.2f})"
        if self.target is None:
            return f"{self.about}: said {said}"
        return f"{self.about}: {self.target}, {'taken for' if self.wrong else 'said'} {said}"


@dataclass(frozen=True, slots=True)
class SheetContents:
    """What a sheet shows."""

    methods: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    notes: tuple[str, ...] = ()
    """What holds for all of it, a line each: the baseline, and what is not shown and why."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A PNG that was read."""

    contents: SheetContents
    image: Image.Image
    """RGB."""
    tiles: tuple[tuple[tuple[int, int, int, int], ...], ...]
    """Of each row the picture's left, upper, right and lower edge, and those of its maps."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What stands in the PNG beside its pixels."""

    contents: SheetContents
    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    width: int
    height: int


_AS_KEPT: Final = TypeAdapter(_Kept)


def drawn(contents: SheetContents, pictures: ImageArray, maps: Mapping[str, NDArray[np.float32]]) -> bytes:
    """The sheet as a PNG, the same bytes for the same pictures. pictures: (rows, channels, height, width); maps: of each
    method (rows, height, width).
    """
    names = ["picture", *(method.replace("_", " ").replace("grad cam", "Grad-CAM") for method in contents.methods)]
    titles = [_in_words(name) for name in names]
    high, wide = _fitted(*pictures.shape[-2:])
    column = max(wide, 66)  # the longest word of a title
    below = _LINE if any(row.below for row in contents.rows) else 0
    width = max(_GAP + len(titles) * (column + _GAP), 430)
    notes = [line for note in contents.notes for line in _folded(note, width - 2 * _GAP)]
    top = _GAP + _LINE * max(map(len, titles)) + _GAP
    one = _LINE + high + below + _GAP
    legend = top + len(contents.rows) * one
    sheet = Image.new("RGB", (width, legend + _LINE * (2 + len(notes)) + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    lefts = [_GAP + place * (column + _GAP) for place in range(len(titles))]
    for left, lines in zip(lefts, titles, strict=True):
        for number, line in enumerate(lines):
            _write(draw, (left, _GAP + number * _LINE), line, _INK)
    tops = [top + place * one + _LINE for place in range(len(contents.rows))]
    for place, (row, upper) in enumerate(zip(contents.rows, tops, strict=True)):
        _write(draw, (_GAP, upper - _LINE), _cut(row.text, width - 2 * _GAP), _WRONG if row.wrong else _INK)
        picture = pictures[place]
        over = (overlaid(picture, maps[method][place], signed=method not in UNSIGNED) for method in contents.methods)
        for left, tile in zip(lefts, (_coloured(picture), *over), strict=True):
            sheet.paste(_resized(tile, wide, high), (left, upper))
        for left, line in zip(lefts[1:], row.below, strict=False):
            _write(draw, (left, upper + high), line, _SOFT)
    _draw_legend(sheet, draw, legend + 2, signless=bool(UNSIGNED & set(contents.methods)))
    for number, line in enumerate(notes):
        _write(draw, (_GAP, legend + (number + 2) * _LINE), line, _SOFT)
    text = PngImagePlugin.PngInfo()
    text.add_itxt(_KEPT_AS, dumps(asdict(_Kept(contents, tuple(lefts), tuple(tops), wide, high))), zip=True)
    written = BytesIO()
    sheet.save(written, "PNG", pnginfo=text, optimize=True)
    return written.getvalue()


def read_sheet(content: bytes) -> Sheet | None:
    """What a PNG shows that was drawn here; None where it is something else, or damaged."""
    try:
        with Image.open(BytesIO(content), formats=("PNG",)) as image:
            if prod(image.size) > _MOST_PIXELS or not isinstance(image, PngImagePlugin.PngImageFile):
                return None
            image.load()
            kept = _AS_KEPT.validate_json(image.text[_KEPT_AS])
            plain = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError):
        return None
    boxes = tuple(tuple((left, top, left + kept.width, top + kept.height) for left in kept.lefts) for top in kept.tops)
    if not (0 < kept.width <= _SIDE and 0 < kept.height <= _SIDE) or not _fits(kept, plain):
        return None
    return Sheet(kept.contents, plain, boxes)


def overlaid(picture: ImageArray, attribution: NDArray[np.float32], *, signed: bool) -> ImageArray:
    """The map over the picture in grey: (height, width, 3). picture: (channels, height, width); what is not a number has no
    colour.
    """
    grey = picture.astype(np.float32).mean(axis=0) / 255
    base = (_DARKEST + (_LIGHTEST - _DARKEST) * grey)[..., None]
    values = np.nan_to_num(attribution.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    sizes = np.abs(values)
    full = float(np.quantile(sizes, _FULL)) or float(sizes.max())
    strength = (np.clip(sizes / full, 0, 1) if full > 0 else np.zeros_like(sizes))[..., None]
    of_sign = np.where(values[..., None] >= 0, _FOR, _AGAINST)
    colour = of_sign if signed else _MATTERS
    return np.asarray(np.rint((1 - strength) * base + strength * colour), np.uint8)


def _coloured(picture: ImageArray) -> ImageArray:
    """(channels, height, width) as (height, width, 3); other than three channels are averaged to grey."""
    if len(picture) == 3:
        return picture.transpose(1, 2, 0)
    grey = np.rint(picture.astype(np.float32).mean(axis=0)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _fitted(height: int, width: int) -> tuple[int, int]:
    """Height and width of a tile: whole pixels of a small picture, a larger one made smaller."""
    longer = max(height, width)
    if longer <= _SIDE:
        return height * (_SIDE // longer), width * (_SIDE // longer)
    return max(1, round(height * _SIDE / longer)), max(1, round(width * _SIDE / longer))


def _resized(tile: ImageArray, width: int, height: int) -> Image.Image:
    how = Image.Resampling.NEAREST if height >= tile.shape[0] and width >= tile.shape[1] else Image.Resampling.BOX
    return Image.fromarray(np.ascontiguousarray(tile)).resize((width, height), how)


def _draw_legend(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, *, signless: bool) -> None:
    """One bar of the colours, from against to for, and one of the colour without a sign where that is used."""
    values, wide = np.linspace(-1, 1, 80, dtype=np.float32)[None], 80
    grey = np.full((1, 1, wide), 128, np.uint8)
    at = _GAP
    for words, part, signed in (("against", values, True), ("for the answer", None, True)):
        if part is not None:
            at = _write(draw, (at, top), words, _INK) + _GAP
            sheet.paste(Image.fromarray(overlaid(grey, part, signed=signed)).resize((wide, 10)), (at, top + 4))
            at += wide + _GAP
        else:
            at = _write(draw, (at, top), words, _INK) + 3 * _GAP
    if signless:
        bar = overlaid(grey[..., :40], np.abs(values[:, 40:]), signed=False)
        sheet.paste(Image.fromarray(bar).resize((40, 10)), (at, top + 4))
        _write(draw, (at + 40 + _GAP, top), "matters, either way", _INK)


def _write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, colour: tuple[int, int, int]) -> int:
    """Where it ends."""
    font = _font()
    plain = text.encode(_LETTERS, "replace").decode(_LETTERS)
    draw.text(at, plain, colour, font=font)
    return at[0] + round(font.getlength(plain))


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)


def _in_words(title: str) -> list[str]:
    return title.split()


def _cut(text: str, width: int) -> str:
    """As much of it as there is room for."""
    font, plain = _font(), text.encode(_LETTERS, "replace").decode(_LETTERS)
    while plain and font.getlength(plain) > width:
        plain = plain[:-2].rstrip(".") + "." if len(plain) > 2 else ""
    return plain


def _folded(text: str, width: int) -> Iterator[str]:
    """In lines that have room, broken between words."""
    font, line = _font(), ""
    for word in text.encode(_LETTERS, "replace").decode(_LETTERS).split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            yield line
            longer = word
        line = longer
    yield _cut(line, width)


def _fits(kept: _Kept, image: Image.Image) -> bool:
    """Whether all that it says of its tiles lies within it: the text of a file may say anything."""
    sides: Sequence[tuple[Sequence[int], int, int]] = (
        (kept.lefts, kept.width, image.width),
        (kept.tops, kept.height, image.height),
    )
    within = all(0 <= at <= whole - one for places, one, whole in sides for at in places)
    return within and len(kept.lefts) == 1 + len(kept.contents.methods) and len(kept.tops) == len(kept.contents.rows)
