"""Draws a figure: the one way in, for the command and for notebooks."""

from collections.abc import Callable, Mapping
from textwrap import wrap
from typing import Any, Final

from orchestrator.errors import UserError
from orchestrator.figures.classes import confusion, precision_by_recall, roc
from orchestrator.figures.curves import curves
from orchestrator.figures.effects import effects
from orchestrator.figures.heatmap import heatmap
from orchestrator.figures.labels import shown
from orchestrator.figures.leaderboard import leaderboard
from orchestrator.figures.panels import MOST, Drawing, Lacking, Panel, sentences
from orchestrator.figures.pareto import pareto
from orchestrator.figures.ranks import average_ranks
from orchestrator.figures.request import FigureRequest, Kind
from orchestrator.figures.sheet import Sheet, styled
from orchestrator.report.parts import Parts
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import counted

_SIGNS_AN_INCH: Final = 8.5
"""Of a panel's title, which begins where the names of its rows end; broken behind a comma where one is there."""
_KINDS: Final[Mapping[Kind, Callable[[Parts, FigureRequest], Drawing]]] = {
    "leaderboard": leaderboard,
    "heatmap": heatmap,
    "curves": curves,
    "roc": roc,
    "pr": precision_by_recall,
    "confusion": confusion,
    "pareto": pareto,
    "effects": effects,
    "average-ranks": average_ranks,
}


def draw(paths: ResultsPaths, kind: str, options: Mapping[str, Any]) -> tuple[Sheet, tuple[str, ...]]:
    """The figure, and a line for each table that is damaged. options: of `FigureRequest`; None is the usual.

    Raises UserError for options that are none, and where there is nothing to draw, with what is missing; DamagedResults.
    """
    request = FigureRequest.of(kind, options)
    parts = Parts(paths, None if request.kind == "curves" else request.measure)
    drawing = _KINDS[request.kind](parts, request)
    panels = [panel for panel in drawing.panels if isinstance(panel, Panel)]
    lacking = [panel for panel in drawing.panels if isinstance(panel, Lacking)]
    if not panels:
        whys = "; ".join(f"{one.title}: {one.why}" for one in lacking) or "no evaluation trial is planned here"
        raise UserError(f"the figure {request.kind} of {parts.sweep} cannot be drawn: {whys.rstrip('.')}")
    sheet = _composed(panels[:MOST], drawing.beside, request)
    notes = [f"{panel.title}: {panel.note}" for panel in panels[:MOST]]
    notes += [f"{one.title} is not drawn: {one.why}" for one in lacking]
    if len(panels) > MOST:
        notes.append(f"{counted(len(panels) - MOST, 'panel')} more are left out: name one data set")
    sheet.caption = sentences(drawing.lead, *notes)
    return sheet, tuple(parts.damage)


def _composed(panels: list[Panel], beside: int, request: FigureRequest) -> Sheet:
    """Panels from left to right, and row by row."""
    rows = [panels[start : start + beside] for start in range(0, len(panels), beside)]
    heights = [max(panel.inches for panel in row) + 0.2 for row in rows]
    with styled():
        sheet = Sheet(figsize=(request.inches, sum(heights)))
        places = sheet.subplots(len(rows), beside, squeeze=False, height_ratios=heights)
        for row, axes in zip(rows, places, strict=True):
            for panel, ax in zip(row, axes, strict=False):
                panel.draw(ax)
                lines = wrap(shown(panel.title).replace(",", ", "), round(_SIGNS_AN_INCH * request.inches / beside))
                ax.set_title("\n".join(lines).replace(", ", ","), loc="left")
            for ax in axes[len(row) :]:
                ax.set_visible(False)
    return sheet
