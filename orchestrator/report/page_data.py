"""What the charts of the page show, as plain values: the page's scripts read these fields by name."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from trainables import NOTHING_MADE

Number = float | None


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of the grid and its levels, in the order of the plan."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataSet:
    """How the trials of a data set are compared."""

    name: str
    measure: str
    """Such as `test accuracy`; of validation as long as trials have still to run."""
    split: str
    """`test` or `validation`."""
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its mean over its completed seeds, the better first within a data set."""

    at: tuple[int, ...]
    """Its level on each axis."""
    rank: int | None
    ties: bool
    """Whether it cannot be told from the first."""
    mean: Number
    low: Number
    high: Number
    n: int
    statuses: str
    """`4 completed, 1 diverged`."""
    train: Number
    """The same measure on the training split."""
    costs: tuple[Number, ...]
    """In the order of `Cells.costs`."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Something that accuracy is paid with."""

    title: str
    unit: str


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells that the charts draw on."""

    axes: tuple[Axis, ...]
    datasets: tuple[DataSet, ...]
    """In the order of the levels of the first axis."""
    costs: tuple[Cost, ...]
    cells: tuple[Cell, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Line:
    """A measure epoch by epoch."""

    mean: tuple[Number, ...]
    low: tuple[Number, ...]
    """Smallest of the seeds; empty where there is one seed, as `high`."""
    high: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class CellCurve:
    """The learning curves of a cell."""

    cell: int
    """Its place in `Cells.cells`."""
    seeds: int
    epochs: tuple[int, ...]
    lines: tuple[Line | None, ...]
    """In the order of `Curves.measures`."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Learning curves, in the order of `Cells.cells`."""

    measures: tuple[str, ...]
    curves: tuple[CellCurve, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Roc:
    """A class against the rest, averaged over seeds at each false positive rate of `Breakdowns.rates`."""

    class_index: int
    """Its place among the classes of the data set; -1 for the mean over all classes."""
    thousandths: tuple[int, ...]
    """True positive rates."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What a cell made of each class."""

    cell: int
    seeds: int
    counts: tuple[tuple[int, ...], ...]
    """True class by predicted class, summed over seeds."""
    rocs: tuple[Roc, ...]
    """The mean, then the classes with the smallest areas."""


@dataclass(frozen=True, slots=True)
class Breakdowns:
    """Measures by class of the cells that have classes, in the order of `Cells.cells`."""

    classes: tuple[tuple[str, ...], ...]
    """By data set."""
    rates: tuple[float, ...]
    cells: tuple[Breakdown, ...]
    left_out: int


LEFT_OVER: Final = "left over"


@dataclass(frozen=True, slots=True)
class Share:
    """What an axis, or two together, explain of the variance; `LEFT_OVER` is what none of them does."""

    term: str
    share: Number
    low: Number
    high: Number


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects on one data set, the largest first."""

    dataset: str
    measure: str
    """Such as `test accuracy`."""
    shares: tuple[Share, ...]
    """Those that the seeds can tell: none where they are too few."""
    lacking: str
    """What is not shown and why, a sentence; empty where all is."""


@dataclass(frozen=True, slots=True)
class RankFigure:
    """A critical-difference diagram: the levels of an axis by average rank, the best first."""

    axis: str
    levels: tuple[str, ...]
    average: tuple[float, ...]
    critical_difference: float
    groups: tuple[tuple[int, int], ...]
    """First and last of each set of neighbours that cannot be told apart."""
    blocks: int
    """Data sets of different content."""
    p: str
    left_out: int
    """Places of the grid that do not count, since a level did not complete there."""
    lacking: str
    """Why there is no diagram, a sentence; empty where there is one."""


# Numbers as JSON takes them, which knows neither NaN nor infinity.


def number(value: Any, digits: int = 6) -> Number:
    """A finite number to so many significant digits, or None."""
    if value is None:
        return None
    plain = float(value)
    return float(f"{plain:.{digits}g}") if math.isfinite(plain) else None


def numbers(values: Iterable[Any], digits: int = 4) -> tuple[Number, ...]:
    """The same of each."""
    return tuple(number(value, digits) for value in values)


# A table of the page, as plain values.

Field = str | float | int | tuple[float | None, ...] | None
"""Of an `interval`: mean, low and high."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table on the page."""

    title: str
    kind: Literal["text", "status", "number", "seconds", "count", "label", "interval", "place", "ratio"]
    """A `count` is shown with its thousands apart, a `label` is a whole number that counts nothing."""


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table that the reader sorts and filters."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Field, ...], ...]
    left_out: int = 0
    """Rows that the page does not carry; the Parquet table has them."""
    alike: str = ""
    """What all rows have, and no column therefore: `all have dataset mnist, seed 0`."""
    below: tuple[tuple[Field, ...], ...] = ()
    """Rows that stand below the others and are none of them, however these are sorted and filtered."""


def alike_in(levels: Mapping[str, Sequence[object]]) -> tuple[tuple[str, ...], str]:
    """Return the axes on which the rows of a table differ, and in words what all have on the others. levels: by axis."""
    same = {axis: str(values[0]) for axis, values in levels.items() if len(values) > 1 and len(set(values)) == 1}
    varying = tuple(axis for axis in levels if axis not in same) or ("model",)
    named = [
        f"{axis} {level}"
        for axis, level in same.items()
        if axis not in varying and (axis, level) != ("deployment", NOTHING_MADE)
    ]
    return varying, f"all have {', '.join(named)}" if named else ""


# What the section on tuning shows, as plain values.


@dataclass(frozen=True, slots=True)
class Tried:
    """What tuning a cell came to along one parameter, the best trial first."""

    label: str
    places: tuple[float, ...]
    """On the axis of the parameter."""
    scores: tuple[Number, ...]
    stopped: tuple[bool, ...]
    """Whether the trial ended before the protocol's last epoch."""
    notes: tuple[str, ...]
    """What stands in the hover of each point."""
    chosen: int | None
    """Which of them the cell's seeds run with."""
    broken: tuple[float, ...]
    """Places of trials that failed or diverged."""


@dataclass(frozen=True, slots=True)
class TuningFigure:
    """A tuned parameter of a data set: validation score by value, the best cell first."""

    dataset: str
    parameter: str
    title: str
    log: bool
    bands: tuple[tuple[float, float], ...]
    """The edges of the range; none where values are listed."""
    ticks: tuple[float, ...]
    """Places of listed values."""
    names: tuple[str, ...]
    categorical: bool
    """Whether places are positions in that list."""
    cells: tuple[Tried, ...]
    left_out: int
    """Cells that the page does not carry."""
    trials_left_out: int
    """Trials, of the cells that it carries."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the cells' open parameters were tuned."""

    trials: int
    summary: str
    figures: tuple[TuningFigure, ...]
    edges: tuple[str, ...]
    """Choices that lie at an edge of where they were looked for, one sentence each."""
    edges_left_out: int
    cells: DataTable
