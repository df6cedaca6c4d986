"""The best cells of each data set, with intervals, and which are not told from the first."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from matplotlib.axes import Axes

from orchestrator.figures.labels import cell_name, distinct, shown, varying
from orchestrator.figures.panels import Drawing, Lacking, OfDataset, Panel, datasets, missing, seeds_of, sentences
from orchestrator.figures.request import FigureRequest
from orchestrator.report.page_data import Cell
from orchestrator.report.parts import Parts
from orchestrator.text import counted, upper_first

USUAL: Final = 20
"""Cells of a data set."""
_ROW: Final = 0.17
_FRAME: Final = 0.75


def leaderboard(parts: Parts, request: FigureRequest) -> Drawing:
    """A row for each cell: mean and interval over seeds."""
    panels = tuple(_panel(parts, request, of) for of in datasets(parts, request))
    lead = f"Leaderboard of {parts.sweep}: mean over the seeds of each cell, ranked by validation"
    ties = (
        "While trials have still to run, scores are on validation, and cells are not compared"
        if parts.under_way
        else "Filled: the first, and those that enough seeds do not separate from it (paired by seed, p after Holm, 5 %);"
        " hollow: told from it, or by too few seeds to tell"
    )
    return Drawing(sentences(lead, ties), panels)


def _panel(parts: Parts, request: FigureRequest, of: OfDataset) -> Panel | Lacking:
    if not of.scored:
        return Lacking(of.dataset.name, "no trial has completed")
    kept = of.scored[: request.cells or USUAL]
    axes = varying(parts.cells, of.scored)
    names = distinct((cell_name(parts.cells, cell, axes) for cell in kept), round(request.inches * 8.5))
    board = next(board for board in parts.boards if board.dataset == of.dataset.name)
    named = ", ".join(parts.cells.axes[axis].name for axis in axes)
    intervals = " with 95 % intervals" if any(cell.low is not None for cell in kept) else ""
    note = sentences(
        f"{upper_first(of.dataset.measure)}{intervals}; {board.summary}; {seeds_of(kept)}; rows name {named}",
        f"The best {len(kept)} of {counted(len(of.scored), 'cell')} are drawn" if len(kept) < len(of.scored) else "",
        missing(parts, of.dataset.name),
    )
    draw = partial(_draw, cells=kept, names=names, measure=of.dataset.measure)
    return Panel(of.dataset.name, _FRAME + _ROW * len(kept), draw, note)


def _draw(ax: Axes, cells: Sequence[Cell], names: Sequence[str], measure: str) -> None:
    for row, cell in enumerate(cells):
        assert cell.mean is not None
        if cell.low is not None and cell.high is not None:
            ax.plot([cell.low, cell.high], [row, row], color="C0", linewidth=1, solid_capstyle="butt")
        ax.plot(cell.mean, row, "o", color="C0", markerfacecolor="C0" if cell.ties else "white", markeredgewidth=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(shown(measure))
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
