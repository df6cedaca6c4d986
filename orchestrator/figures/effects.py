"""How much of the variance each axis explains, on each data set."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from orchestrator.figures.panels import Drawing, Lacking, Panel, datasets, missing, refuse_unread_test, sentences
from orchestrator.figures.request import FigureRequest
from orchestrator.report.page_data import LEFT_OVER, Share
from orchestrator.report.parts import Parts
from orchestrator.text import upper_first

_MOST: Final = 12
"""Terms beside what is left over."""
_ROW: Final = 0.2
_FRAME: Final = 0.75


def effects(parts: Parts, request: FigureRequest) -> Drawing:
    """Bars with intervals. Raises UserError while trials have still to run."""
    refuse_unread_test(parts)
    panels = tuple(_panel(parts, of.dataset.name) for of in datasets(parts, request))
    return Drawing(
        f"Share of the variance of the test score that each axis of {parts.sweep}, and each pair of axes beyond both,"
        " explains (type II sums of squares), with 95 % jackknife intervals over seeds; left over is"
        " the spread between seeds and higher interactions.",
        panels,
    )


def _panel(parts: Parts, dataset: str) -> Panel | Lacking:
    found = next((one for one in parts.effects if one.dataset == dataset), None)
    if found is None:
        return Lacking(dataset, "nothing varies, or no trial has completed")
    if not found.shares:
        return Lacking(dataset, found.lacking)
    terms = [share for share in found.shares if share.term != LEFT_OVER]
    kept = [*terms[:_MOST], *(share for share in found.shares if share.term == LEFT_OVER)]
    note = sentences(
        f"{upper_first(found.measure)} of the completed trials",
        f"{len(terms) - _MOST} smaller terms are left out" if len(terms) > _MOST else "",
        found.lacking,
        missing(parts, dataset),
    )
    return Panel(dataset, _FRAME + _ROW * len(kept), partial(_draw, shares=kept), note)


def _draw(ax: Axes, shares: Sequence[Share]) -> None:
    for row, one in enumerate(shares):
        assert one.share is not None
        ax.barh(row, one.share, 0.6, color="0.65" if one.term == LEFT_OVER else "C0")
        if one.low is not None and one.high is not None:
            ax.plot([one.low, one.high], [row, row], color="black", linewidth=1)
    ax.set_yticks(range(len(shares)), [share.term for share in shares])
    ax.set_ylim(len(shares) - 0.5, -0.5)
    ax.set_xlim(left=min(0.0, *(share.low or 0.0 for share in shares)))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("share of the variance")
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
