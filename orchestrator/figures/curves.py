"""Learning curves of the best cells of each data set, with bands over seeds."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from orchestrator.figures.labels import cell_name, distinct, shown, varying
from orchestrator.figures.panels import Drawing, Lacking, OfDataset, Panel, datasets, missing, sentences
from orchestrator.figures.request import FigureRequest, unknown
from orchestrator.report.page_data import CellCurve, Line
from orchestrator.report.parts import Parts
from orchestrator.text import counted

USUAL: Final = 6
"""Cells of a data set."""
_COLORS: Final = 7
_DASHES: Final = ("-", "--", ":", "-.")
_PLOT: Final = 2.3
_ROW: Final = 0.15


def curves(parts: Parts, request: FigureRequest) -> Drawing:
    """Mean over the completed seeds of a cell epoch by epoch, and from the lowest of them to the highest."""
    titles = parts.curves.measures
    if request.measure is not None and request.measure not in titles:
        raise unknown("curve of", request.measure, titles)
    at = titles.index(request.measure) if request.measure is not None else 0
    panels = tuple(_panel(parts, request, of, at) for of in datasets(parts, request))
    what = f" of {titles[at]}" if titles else ""
    return Drawing(
        f"Learning curves{what}, {parts.sweep}: mean over the completed seeds of a cell, and a band from the"
        " lowest seed to the highest.",
        panels,
    )


def _panel(parts: Parts, request: FigureRequest, of: OfDataset, measure: int) -> Panel | Lacking:
    cells = parts.cells
    every = [curve for curve in parts.curves.curves if cells.cells[curve.cell].at[0] == of.at]
    there = [(curve, line) for curve in every if (line := curve.lines[measure]) is not None]
    if not there:
        return Lacking(of.dataset.name, "no completed trial has such a curve")
    kept = there[: request.cells or USUAL]
    axes = varying(cells, of.scored)
    names = distinct((cell_name(cells, cells.cells[curve.cell], axes) for curve, _ in kept), round(request.inches * 13))
    seeds = sorted({curve.seeds for curve, _ in kept})
    note = sentences(
        f"The best {len(kept)} of {counted(len(there) + parts.curves.left_out, 'cell')}, ranked by validation",
        f"n = {counted(seeds[0], 'seed')}" if len(seeds) == 1 else f"n = {seeds[0]} to {seeds[-1]} seeds",
        missing(parts, of.dataset.name),
    )
    draw = partial(_draw, lines=kept, names=names, title=parts.curves.measures[measure])
    return Panel(of.dataset.name, _PLOT + _ROW * len(kept), draw, note)


def _draw(ax: Axes, lines: Sequence[tuple[CellCurve, Line]], names: Sequence[str], title: str) -> None:
    for place, ((curve, line), name) in enumerate(zip(lines, names, strict=True)):
        color, dash = f"C{place % _COLORS}", _DASHES[place // _COLORS % len(_DASHES)]
        if line.low:
            low, high = (_numbers(edge) for edge in (line.low, line.high))
            ax.fill_between(curve.epochs, low, high, color=color, alpha=0.15, linewidth=0)
        marker = "o" if len(curve.epochs) <= 12 else ""
        ax.plot(curve.epochs, _numbers(line.mean), dash, marker=marker, markersize=2.5, color=color, label=name)
    ax.set_xlabel("epoch")
    ax.set_ylabel(shown(title))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid()
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22), borderaxespad=0)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
