"""A figure is made of panels, one for each data set, or axis: what all kinds share."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes

from orchestrator.errors import UserError
from orchestrator.figures.request import FigureRequest, unknown
from orchestrator.report.page_data import Cell, DataSet
from orchestrator.report.parts import Parts
from orchestrator.text import counted

MOST: Final = 6
"""Panels of one figure."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot, and what is said of it."""

    title: str
    inches: float
    """Its height."""
    draw: Callable[[Axes], None]
    note: str
    """Sentences of the caption."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A panel that cannot be drawn."""

    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole figure, not yet drawn."""

    lead: str
    """What the caption begins with: what is shown, and what is averaged."""
    panels: tuple[Panel | Lacking, ...]
    beside: int = 1
    """Panels in a row."""


@dataclass(frozen=True, slots=True)
class OfDataset:
    """A data set of the figure, with its cells, the best first."""

    at: int
    dataset: DataSet
    cells: tuple[Cell, ...]

    @property
    def scored(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.mean is not None]


def datasets(parts: Parts, request: FigureRequest) -> Iterator[OfDataset]:
    """Those that are asked for. Raises UserError where there is none of the name."""
    every = parts.cells.datasets
    names = [dataset.name for dataset in every]
    if request.dataset is not None and request.dataset not in names:
        raise unknown("data set", request.dataset, names)
    for at, dataset in enumerate(every):
        if request.dataset in (None, dataset.name):
            yield OfDataset(at, dataset, tuple(cell for cell in parts.cells.cells if cell.at[0] == at))


def seeds_of(cells: Sequence[Cell]) -> str:
    """`n = 5 seeds`, `n = 3 to 5 seeds`."""
    counts = sorted({cell.n for cell in cells})
    if not counts:
        return "n = 0"
    return f"n = {counted(counts[0], 'seed')}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]} seeds"


def missing(parts: Parts, dataset: str) -> str:
    """What did not complete: `2 of 12 trials are missing: 1 failed, 1 skipped.`; empty where all did."""
    statuses = parts.trials.loc[parts.trials["dataset"] == dataset, "status"]
    counts = statuses[statuses != "completed"].value_counts()
    if counts.empty:
        return ""
    how = ", ".join(f"{count} {str(status).replace('_', ' ')}" for status, count in sorted(counts.items()))
    return f"{counts.sum()} of {counted(len(statuses), 'trial')} did not complete: {how}."


def sentences(*parts: str) -> str:
    """Those that say something, each with its full stop."""
    return " ".join(part if part.endswith(".") else f"{part}." for part in parts if part)


def refuse_unread_test(parts: Parts) -> None:
    """Raises UserError while trials have still to run: nothing of the test split is shown before."""
    if parts.under_way:
        raise UserError(
            f"trials of {parts.sweep} have still to run, and this figure needs the test split, which is shown once they have"
            " ended; `orch status` says how far the sweep is"
        )
