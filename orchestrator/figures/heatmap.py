"""Means of cells by two axes, as the page's heat map has them."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from statistics import fmean
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from orchestrator.figures.labels import INCHES_OF_A_SIGN, cell_name, cut, distinct, shown, varying
from orchestrator.figures.panels import Drawing, Lacking, OfDataset, Panel, datasets, missing, seeds_of, sentences
from orchestrator.figures.request import FigureRequest, unknown
from orchestrator.report.page_data import Axis, Cell
from orchestrator.report.parts import Parts
from orchestrator.text import upper_first

_ROW: Final = 0.24
_FRAME: Final = 0.55
_LONGEST: Final = 32
Field = list[Cell]
"""The cells that share two levels."""


def heatmap(parts: Parts, request: FigureRequest) -> Drawing:
    """A field is the mean over the cells that share the levels of its row and column."""
    panels = tuple(_panel(parts, request, of) for of in datasets(parts, request))
    split = " (validation, while trials have still to run)" if parts.under_way else ""
    return Drawing(
        f"Heat map of {parts.sweep}: each field is the mean over its cells of their means over seeds{split}.", panels
    )


def _panel(parts: Parts, request: FigureRequest, of: OfDataset) -> Panel | Lacking:
    if not of.scored:
        return Lacking(of.dataset.name, "no trial has completed")
    cells = parts.cells
    differ = varying(cells, of.cells)
    down = _places(cells.axes, request.rows, "rows") or differ[:1]
    across = _places(cells.axes, request.columns, "columns") or [axis for axis in differ if axis not in down]
    order = {axis: place for place, axis in enumerate((*down, *across))}
    ordered = sorted(of.cells, key=lambda cell: [cell.at[axis] for axis in order])
    fields: dict[tuple[str, str], Field] = defaultdict(list)
    for cell in ordered:
        fields[cell_name(cells, cell, down), cell_name(cells, cell, across)].append(cell)
    rows = list(dict.fromkeys(row for row, _ in fields))
    by_column = sorted(of.cells, key=lambda cell: [cell.at[axis] for axis in across])
    columns = list(dict.fromkeys(cell_name(cells, cell, across) for cell in by_column))
    table = [[fields.get((row, column), []) for column in columns] for row in rows]
    names = distinct(columns, _LONGEST)
    upright = len(columns) * max(map(len, names)) * INCHES_OF_A_SIGN > request.inches * 0.6
    height = _FRAME + _ROW * len(rows) + (max(map(len, names)) * INCHES_OF_A_SIGN if upright else 0.2)
    empty = sum(all(cell.mean is None for cell in field) for row in table for field in row)
    sizes = sorted({len(field) for row in table for field in row if field})
    note = sentences(
        f"{upper_first(of.dataset.measure)} by {' and '.join(_axes(cells.axes, axes) for axes in (down, across) if axes)}",
        seeds_of(of.scored),
        f"Each field is of {sizes[0]} to {sizes[-1]} cells" if sizes[-1] > 1 else "",
        f"{empty} of {len(rows) * len(columns)} fields have no completed trial" if empty else "",
        missing(parts, of.dataset.name),
    )
    draw = partial(
        _draw,
        table=table,
        rows=distinct(rows, round(request.inches * 6)),
        columns=names,
        upright=upright,
        measure=of.dataset.measure,
        higher_is_better=of.dataset.higher_is_better,
        inches=request.inches,
    )
    return Panel(of.dataset.name, height, draw, note)


def _places(axes: Sequence[Axis], given: str | None, option: str) -> list[int]:
    """Raises UserError where a name is no axis of cells."""
    names = [axis.name for axis in axes]
    wanted = [] if given is None else [name.strip() for name in given.split(",")]
    for name in wanted:
        if name not in names[1:]:
            raise unknown(f"axis for `{option}`", name, names[1:])
    return [names.index(name) for name in wanted]


def _axes(axes: Sequence[Axis], places: Sequence[int]) -> str:
    return ", ".join(axes[place].name for place in places)


def _draw(
    ax: Axes,
    table: Sequence[Sequence[Field]],
    rows: Sequence[str],
    columns: Sequence[str],
    upright: bool,
    measure: str,
    higher_is_better: bool,
    inches: float,
) -> None:
    values = np.array([[_mean(field) for field in row] for row in table], dtype=np.float64)
    colors = "cividis" if higher_is_better else "cividis_r"
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    norm = Normalize(low, high if high > low else low + 1)
    drawn = ax.imshow(np.ma.masked_invalid(values), cmap=colors, norm=norm, aspect="auto")
    room = inches * 0.62 / len(columns) / INCHES_OF_A_SIGN
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            text, color = cut(_why(table[row][column]), max(3, round(room))), "0.4"
            ax.text(column, row, text if room >= 6 else "–", ha="center", va="center", color=color, fontsize=6)
        elif room >= 5:
            red, green, blue, _ = drawn.cmap(norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            color = "white" if dark else "black"
            ax.text(column, row, f"{value:#.3g}", ha="center", va="center", color=color, fontsize=6.5)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    assert ax.figure is not None
    bar = ax.figure.colorbar(drawn, ax=ax, fraction=0.05, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(shown(measure))


def _mean(field: Field) -> float:
    means = [cell.mean for cell in field if cell.mean is not None]
    return fmean(means) if means else float("nan")


def _why(field: Field) -> str:
    """Why it is empty."""
    if not field:
        return "not in the grid"
    return shown(field[0].statuses) if len(field) == 1 else f"{len(field)} cells"
