"""A table of the page, as plain values."""

from dataclasses import dataclass
from typing import Literal

Field = str | float | int | tuple[float | None, ...] | None
"""Of an `interval`: mean, low and high."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table on the page."""

    title: str
    kind: Literal["text", "status", "number", "seconds", "count", "label", "interval", "place", "ratio"]
    """A `count` is shown with its thousands apart, a `label` is a whole number that counts nothing."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table that the reader sorts and filters."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Field, ...], ...]
    left_out: int = 0
    """Rows that the page does not carry; the Parquet table has them."""
