"""Texts in a figure: names of users as they stand, as long as there is room for them."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

from orchestrator.report.page_data import Cell, Cells
from orchestrator.text import one_line

_JOIN: Final = " · "
INCHES_OF_A_SIGN: Final = 0.062
"""Of the font's usual size, on average."""


def shown(text: str) -> str:
    """On one line; what the font has no shape for is spelt as JSON does: two names do not become the same boxes."""
    known = _signs()
    return "".join(sign if ord(sign) in known else _spelt(sign) for sign in one_line(text))


def _spelt(sign: str) -> str:
    number = ord(sign)
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


@cache
def _signs() -> frozenset[int]:
    return frozenset(FT2Font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def cut(text: str, most: int) -> str:
    """Cut out of the middle: names of levels begin alike, and differ at their ends."""
    if len(text) <= most:
        return text
    head = -(-(most - 1) // 2)
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def distinct(names: Iterable[str], most: int) -> list[str]:
    """Each as long as there is room; whole where cutting would make two of them the same."""
    whole = [shown(name) for name in names]
    short = [cut(name, most) for name in whole]
    return [name if short.count(brief) > whole.count(name) else brief for name, brief in zip(whole, short, strict=True)]


def varying(cells: Cells, some: Sequence[Cell]) -> list[int]:
    """Axes beside the data set of which the cells have several levels; of one cell, the model's."""
    every = range(1, len(cells.axes))
    return [axis for axis in every if len({cell.at[axis] for cell in some}) > 1] or [1]


def cell_name(cells: Cells, cell: Cell, axes: Sequence[int]) -> str:
    """`cnn · adam lr=0.003`"""
    return _JOIN.join(cells.axes[axis].levels[cell.at[axis]] for axis in axes)
