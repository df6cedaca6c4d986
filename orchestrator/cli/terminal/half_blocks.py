"""Small pictures on a terminal: two pixels a sign, one above the other, in 24-bit colours."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from PIL import Image

from orchestrator.cli.terminal import console

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.segment import Segment

_UPPER: Final = "▀"
"""Its own colour is that of the upper pixel, its background's that of the lower one."""
_GAP: Final = 2
"""Columns between two pictures."""
_SMALLEST: Final = 10
"""Columns of a picture; a terminal that has not so many shows none."""


def can_show(file: TextIO) -> bool:
    """Whether the stream is a terminal of 24-bit colours that may use them (NO_COLOR), and takes the sign."""
    terminal = console(file)
    if not terminal.is_terminal or terminal.no_color or terminal.color_system != "truecolor":
        return False
    try:
        _UPPER.encode(file.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return terminal.width >= _SMALLEST


def print_pictures(file: TextIO, pictures: Sequence[tuple[str, Image.Image]], most: int) -> None:
    """Pictures side by side, each below its title; as many in a line as the terminal has room for.

    most: columns of a picture.
    """
    terminal = console(file)
    wide = min(most, terminal.width)
    if terminal.width < len(pictures) * (wide + _GAP) - _GAP:
        # in so many lines that a picture is not much smaller than asked for, and the lines are of one length
        lines = max(1, round(len(pictures) * (wide + _GAP) / (terminal.width + _GAP)))
        in_line = -(-len(pictures) // lines)
        wide = min(wide, max(_SMALLEST, (terminal.width + _GAP) // in_line - _GAP))
    in_line = max(1, (terminal.width + _GAP) // (wide + _GAP))
    for start in range(0, len(pictures), in_line):
        terminal.print(_Line(pictures[start : start + in_line], wide), end="")


class _Line:
    """Some pictures side by side, as rich prints them."""

    def __init__(self, pictures: Sequence[tuple[str, Image.Image]], wide: int) -> None:
        self._titles = [title[:wide].ljust(wide) for title, _ in pictures]
        self._pixels = [_rows(picture, wide) for _, picture in pictures]
        self._wide = wide

    def __rich_console__(self, terminal: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.segment import Segment

        yield Segment((" " * _GAP).join(self._titles).rstrip())
        yield Segment.line()
        for place in range(max(map(len, self._pixels))):
            for number, rows in enumerate(self._pixels):
                if number:
                    yield Segment(" " * _GAP)
                yield from _signs(rows[place]) if place < len(rows) else [Segment(" " * self._wide)]
            yield Segment.line()


Pixel = tuple[int, int, int]


def _rows(picture: Image.Image, wide: int) -> list[list[tuple[Pixel, Pixel]]]:
    """Of each line of signs the upper and the lower pixels."""
    high = max(2, 2 * round(picture.height * wide / picture.width / 2))
    enlarged = wide >= picture.width
    small = picture.convert("RGB").resize((wide, high), Image.Resampling.NEAREST if enlarged else Image.Resampling.BOX)
    raw = small.tobytes()
    pixels = [(raw[at], raw[at + 1], raw[at + 2]) for at in range(0, len(raw), 3)]
    lines = [pixels[start : start + wide] for start in range(0, len(pixels), wide)]
    return [list(zip(*lines[upper : upper + 2], strict=True)) for upper in range(0, high, 2)]


def _signs(row: Sequence[tuple[Pixel, Pixel]]) -> "Iterator[Segment]":
    from rich.color import Color
    from rich.segment import Segment
    from rich.style import Style

    for upper, lower in row:
        yield Segment(_UPPER, Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
