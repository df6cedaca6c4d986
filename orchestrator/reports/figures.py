"""What the charts of the page show, as plain values: the page's scripts read these fields by name."""

from dataclasses import dataclass
from typing import Final

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
    """One cell: mean over its completed seeds, the better first within a data set."""

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
    """Of the cells that have classes, in the order of `Cells.cells`."""

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
    """Of one data set, the largest first."""

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
    block: str
    """What a block is: `data sets`, or `seeds of the data sets`."""
    p: str
    left_out: int
    """Places of the grid that do not count, since a level did not complete there."""
    lacking: str
    """Why there is no diagram, a sentence; empty where there is one."""
