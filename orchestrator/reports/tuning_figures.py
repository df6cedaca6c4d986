"""What the section on tuning shows, as plain values."""

from dataclasses import dataclass

from orchestrator.reports.figures import Number
from orchestrator.reports.page_grid import Grid


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
    """One tuned parameter of one data set: validation score by value, the best cell first."""

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
    told: str
    figures: tuple[TuningFigure, ...]
    edges: tuple[str, ...]
    """Choices that lie at an edge of where they were looked for, one sentence each."""
    edges_left_out: int
    cells: Grid
