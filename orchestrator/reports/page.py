"""What the report's page shows, as plain values: the template and its script read these fields by name."""

from dataclasses import dataclass
from typing import Literal

Number = float | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table on the page."""

    title: str
    kind: Literal["text", "status", "number", "seconds", "count"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table that the reader sorts and filters."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    left_out: int = 0
    """Rows that the page does not carry; the Parquet table has them."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Models by optimizers and regularizers, for one data set."""

    dataset: str
    title: str
    higher_is_better: bool
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[Number, ...], ...]
    """Mean over seeds; None where no trial completed."""
    notes: tuple[tuple[str, ...], ...]
    """What stands in the hover of each field: number of seeds, spread, statuses."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A cell's validation measure, epoch by epoch."""

    label: str
    epochs: tuple[int, ...]
    mean: tuple[Number, ...]
    low: tuple[Number, ...]
    """Smallest of the seeds."""
    high: tuple[Number, ...]
    seeds: int


@dataclass(frozen=True, slots=True)
class Curves:
    """The learning curves of one data set, the best cell first."""

    dataset: str
    title: str
    curves: tuple[Curve, ...]
    left_out: int
    """Cells between the best and the worst ones that the page carries."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Confusion counts of the trial that validation puts first, of one data set."""

    dataset: str
    trial_id: str
    label: str
    score: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """True class by predicted class."""


@dataclass(frozen=True, slots=True)
class Best:
    """The cell that validation puts first, of one data set."""

    dataset: str
    label: str
    title: str
    score: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """One `orch sweep` that wrote to the directory."""

    started: str
    facts: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, str], ...]
    grid: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file behind the figures."""

    name: str
    shows: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report."""

    sweep: str
    written: str
    trials: int
    unplanned: int
    counts: tuple[tuple[str, int], ...]
    best: tuple[Best, ...]
    heat_maps: tuple[HeatMap, ...]
    curves: tuple[Curves, ...]
    cells: Grid
    all_trials: Grid
    problems: Grid
    confusions: tuple[Confusion, ...]
    invocations: tuple[Invocation, ...]
    sources: tuple[Source, ...]
