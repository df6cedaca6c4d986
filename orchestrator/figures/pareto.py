"""What cells score and what they cost, and the cells that no other beats on both."""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from orchestrator.figures.labels import cell_name, distinct, shown, varying
from orchestrator.figures.panels import Drawing, Lacking, OfDataset, Panel, datasets, missing, seeds_of, sentences
from orchestrator.figures.request import FigureRequest, unknown
from orchestrator.report.page_data import Cell, Cost
from orchestrator.report.parts import Parts
from orchestrator.results.ranked import COSTS
from orchestrator.text import counted, upper_first

_COLORS: Final = 7
_MARKERS: Final = ("o", "s", "D", "^", "P", "*")
_WITH_INTERVALS: Final = 60
"""More points than these have their intervals left out: they hide each other."""
_PLOT: Final = 2.5
_ROW: Final = 0.15
_LEGEND: Final = 24
"""Entries at most."""


class Point(NamedTuple):
    """A cell."""

    cost: float
    score: float
    cell: Cell


def pareto(parts: Parts, request: FigureRequest) -> Drawing:
    """A point for each cell: mean of the measure by mean of the cost, over completed trials."""
    names = list(COSTS)
    if request.cost is not None and request.cost not in names:
        raise unknown("cost", request.cost, names)
    at = names.index(request.cost) if request.cost is not None else 0
    panels = tuple(_panel(parts, request, of, at) for of in datasets(parts, request))
    lead = (
        f"Score and cost ({parts.cells.costs[at].title}) of the cells of {parts.sweep}, means over seeds; dotted: the"
        " Pareto front, of cells that no other beats on both. The front is chosen on the split that is shown."
    )
    return Drawing(lead, panels)


def front(points: Sequence[Point], *, higher_is_better: bool) -> list[Point]:
    """None is cheaper and at least as good; the cheapest first."""
    sign = 1 if higher_is_better else -1
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -sign * point.score)):
        if not found or sign * point.score > sign * found[-1].score:
            found.append(point)
    return found


def _panel(parts: Parts, request: FigureRequest, of: OfDataset, at: int) -> Panel | Lacking:
    points = [Point(cost, cell.mean, cell) for cell in of.cells if cell.mean is not None and (cost := cell.costs[at])]
    if not points:
        return Lacking(of.dataset.name, f"no cell has a score and a figure for {parts.cells.costs[at].title}")
    colored, *rest = varying(parts.cells, of.scored)
    levels = sorted({point.cell.at[colored] for point in points})
    names = distinct((parts.cells.axes[colored].levels[level] for level in levels), round(request.inches * 12))
    best = front(points, higher_is_better=of.dataset.higher_is_better)
    intervals = len(points) <= _WITH_INTERVALS and any(point.cell.low is not None for point in points)
    label = [colored, *rest]
    note = sentences(
        upper_first(of.dataset.measure) + (", with 95 % intervals" if intervals else ""),
        f"{seeds_of([point.cell for point in points])}; colours show the {parts.cells.axes[colored].name}",
        f"{len(points)} of {counted(len(of.cells), 'cell')} have both figures",
        "On the front: " + "; ".join(cell_name(parts.cells, point.cell, label) for point in best[:8]),
        missing(parts, of.dataset.name),
    )
    entries = min(len(levels), _LEGEND) if len(levels) > 1 else 0
    draw = partial(
        _draw,
        points=points,
        best=best,
        colored=colored,
        levels=dict(zip(levels, names, strict=True)),
        cost=parts.cells.costs[at],
        measure=of.dataset.measure,
        intervals=intervals,
    )
    return Panel(of.dataset.name, _PLOT + _ROW * (entries + 1), draw, note)


def _draw(
    ax: Axes,
    points: Sequence[Point],
    best: Sequence[Point],
    colored: int,
    levels: dict[int, str],
    cost: Cost,
    measure: str,
    intervals: bool,
) -> None:
    ax.step([p.cost for p in best], [p.score for p in best], ":", where="post", color="0.35", label="Pareto front")
    for place, (level, name) in enumerate(levels.items()):
        color, marker = f"C{place % _COLORS}", _MARKERS[place // _COLORS % len(_MARKERS)]
        mine = [point for point in points if point.cell.at[colored] == level]
        for point in mine if intervals else ():
            if point.cell.low is not None and point.cell.high is not None:
                ends = [point.cell.low, point.cell.high]
                ax.plot([point.cost, point.cost], ends, color=color, linewidth=0.6, alpha=0.6)
        sizes = [36 if point in best else 14 for point in mine]
        ax.scatter(
            [p.cost for p in mine],
            [p.score for p in mine],
            sizes,
            color=color,
            marker=marker,
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
        )
        if len(levels) > 1 and place < _LEGEND:
            ax.scatter([], [], 14, color=color, marker=marker, label=name)
    costs = [point.cost for point in points]
    if max(costs) > 2 * min(costs) > 0:
        ax.set_xscale("log")
        wide = max(costs) / min(costs)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide > 1e3 else (1.0, 2.0, 5.0)))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    ax.set_xlabel(f"{cost.title} ({cost.unit})" if cost.unit else cost.title)
    ax.set_ylabel(shown(measure))
    ax.grid()
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22), borderaxespad=0)


def compact(value: float) -> str:
    """`20k`, `1.5M`, `0.2`."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
