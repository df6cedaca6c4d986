"""Critical-difference diagrams, as Demšar draws them (JMLR 7, 2006, figure 1)."""

from functools import partial
from typing import Final

from matplotlib.axes import Axes

from orchestrator.errors import UserError
from orchestrator.figures.labels import distinct
from orchestrator.figures.panels import Drawing, Lacking, Panel, refuse_unread_test, sentences
from orchestrator.figures.request import FigureRequest
from orchestrator.report.page_data import RankFigure
from orchestrator.report.parts import Parts
from orchestrator.text import counted

_ROW: Final = 0.2
_GROUP: Final = 0.35
"""Of a row: between the bars that join levels."""
_FRAME: Final = 0.9


def average_ranks(parts: Parts, request: FigureRequest) -> Drawing:
    """A diagram for each axis. Raises UserError while trials have still to run, and where nothing can be ranked."""
    refuse_unread_test(parts)
    panels = tuple(_panel(request, ranks) for ranks in parts.ranks)
    if not panels:
        raise UserError(f"no axis of {parts.sweep} has three levels that completed together: there is nothing to rank")
    return Drawing(
        f"Average ranks of the levels of an axis over the data sets of {parts.sweep}, 1 being the best; bars join levels"
        " whose ranks differ by less than the critical difference CD (Nemenyi, 5 %).",
        panels,
    )


def _panel(request: FigureRequest, ranks: RankFigure) -> Panel | Lacking:
    if ranks.lacking:
        return Lacking(ranks.axis, ranks.lacking)
    rows = -(-len(ranks.levels) // 2)
    note = sentences(
        f"n = {counted(ranks.blocks, 'data set')}, on each the mean over the cells and seeds that all levels have",
        f"Friedman p = {ranks.p}; CD = {ranks.critical_difference:.2f}",
        f"{ranks.left_out} combinations do not count, since a level did not complete there" if ranks.left_out else "",
    )
    inches = _FRAME + _ROW * (rows + _GROUP * len(ranks.groups))
    names = distinct(ranks.levels, round(request.inches * 4))
    return Panel(ranks.axis, inches, partial(_draw, ranks=ranks, names=names), note)


def _draw(ax: Axes, ranks: RankFigure, names: list[str]) -> None:
    """The axis is at height 0, and a row is 1 high; the better half of the levels is named on the left."""
    levels = len(names)
    half = -(-levels // 2)
    below = 0.5 + _GROUP * len(ranks.groups)
    for place, (name, rank) in enumerate(zip(names, ranks.average, strict=True)):
        left = place < half
        row = below + (place if left else levels - 1 - place) + 0.4
        end = 0.9 if left else levels + 0.1
        ax.plot([rank, rank, end], [0, row, row], color="black", linewidth=0.7, clip_on=False)
        beside = end - 0.02 * levels if left else end + 0.02 * levels
        words = f"{name} ({rank:.2f})"
        ax.text(beside, row, words, ha="right" if left else "left", va="center", fontsize=7)
    for place, (first, last) in enumerate(ranks.groups):
        ends = [ranks.average[first] - 0.02 * levels, ranks.average[last] + 0.02 * levels]
        height = 0.35 + _GROUP * place
        ax.plot(ends, [height, height], color="C1", linewidth=2.5, solid_capstyle="butt")
    cd, foot = min(ranks.critical_difference, levels - 1.0), below + half + 0.2
    ax.plot([1, 1 + cd], [foot, foot], color="black", linewidth=1, marker="|", markersize=4)
    ax.text(1 + cd / 2, foot + 0.15, f"CD = {ranks.critical_difference:.2f}", ha="center", va="top", fontsize=7)
    ax.set_xlim(0.9, levels + 0.1)
    ax.set_ylim(foot + 1, 0)
    ax.set_yticks([])
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.spines["top"].set_visible(True)
    ax.xaxis.tick_top()
    ax.set_xticks(range(1, levels + 1, 1 if levels <= 20 else 5))
