"""What the best cell of each data set makes of the classes: ROC, precision and recall, confusion. Of the test split."""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from orchestrator.figures.labels import INCHES_OF_A_SIGN, cell_name, distinct, varying
from orchestrator.figures.panels import (
    Drawing,
    Lacking,
    OfDataset,
    Panel,
    datasets,
    missing,
    refuse_unread_test,
    sentences,
)
from orchestrator.figures.request import FigureRequest
from orchestrator.report.breakdowns import CLASSES_KEPT
from orchestrator.report.page_data import Breakdown
from orchestrator.report.parts import Parts
from orchestrator.report.precision_recall import RECALLS, PrecisionRecall
from orchestrator.text import counted
from trainables.errors import alike, meant

_LINES: Final = 10
"""Classes of a plot, unless one is named."""
_COLORS: Final = 7
_LEGEND_ROW: Final = 0.15
_HANDLE: Final = 0.4
"""Inches of an entry beside its name."""
_NUMBERS: Final = 0.24
"""Inches that a field needs to hold its count."""
_BESIDE: Final = {"column": 1, "text": 2, "page": 3}


class Curve(NamedTuple):
    """A line of a plot."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    is_mean: bool = False


class Chosen(NamedTuple):
    """The cell of a data set that is shown."""

    of: OfDataset
    place: int
    """In `Parts.ranked`."""
    name: str
    classes: tuple[str, ...]
    seeds: int

    @property
    def note(self) -> str:
        return f"Cell: {self.name}; n = {counted(self.seeds, 'seed')}"


def roc(parts: Parts, request: FigureRequest) -> Drawing:
    """Curves averaged over seeds at each false positive rate. Raises UserError while trials have still to run."""
    lead = (
        f"ROC curves of {parts.sweep} on the test split, each class against the rest, averaged over seeds at each"
        " false positive rate."
    )
    return _drawing(parts, request, lead, partial(_roc, parts, request))


def precision_by_recall(parts: Parts, request: FigureRequest) -> Drawing:
    """Curves averaged over seeds at each recall. Raises UserError while trials have still to run."""
    lead = (
        f"Precision by recall of {parts.sweep} on the test split, each class against the rest, averaged over seeds at"
        " each recall; AP is the average precision, of all scores."
    )
    return _drawing(parts, request, lead, partial(_precision, parts, request))


def confusion(parts: Parts, request: FigureRequest) -> Drawing:
    """Counts summed over seeds, coloured by the share of the true class. Raises UserError while trials have still to run."""
    lead = (
        f"Confusion matrices of {parts.sweep} on the test split: counts are summed over seeds, and colour is the share of"
        " the true class."
    )
    return _drawing(parts, request, lead, partial(_confusion, parts, request))


def _drawing(parts: Parts, request: FigureRequest, lead: str, panel: "partial[Panel | Lacking]") -> Drawing:
    refuse_unread_test(parts)
    chosen = [_chosen(parts, request, of) for of in datasets(parts, request)]
    panels = tuple(one if isinstance(one, Lacking) else panel(one) for one in chosen)
    several = sum(isinstance(one, Panel) for one in panels)
    return Drawing(lead, panels, beside=max(1, min(_BESIDE[request.width], several)))


def _chosen(parts: Parts, request: FigureRequest, of: OfDataset) -> Chosen | Lacking:
    name = of.dataset.name
    if not of.scored:
        return Lacking(name, "no trial has completed")
    _, classes = parts.classes.get(name, ((), ()))
    if not classes:
        return Lacking(name, "it has no classes: its target is a number, or its table of classes cannot be read")
    if len(classes) > CLASSES_KEPT:
        return Lacking(
            name, f"it has {len(classes)} classes, and at most {CLASSES_KEPT} are drawn; curves.parquet has all"
        )
    if request.class_name is not None and request.class_name not in classes:
        near = meant(alike(request.class_name, classes), f"there are {', '.join(classes)}")
        return Lacking(name, f"it has no class {request.class_name!r}; {near}")
    place = (request.place or 1) - 1
    if place >= len(of.scored):
        return Lacking(
            name, f"it has no cell in place {place + 1}: {counted(len(of.scored), 'cell')} completed a trial"
        )
    cell = of.scored[place]
    label = cell_name(parts.cells, cell, varying(parts.cells, of.scored))
    return Chosen(of, parts.cells.cells.index(cell), label, classes, cell.n)


def _square(request: FigureRequest) -> float:
    """Height of a panel that is as wide as high."""
    return request.inches / _BESIDE[request.width]


def _legend(request: FigureRequest, lines: Sequence[Curve]) -> tuple[int, float]:
    """Columns of the legend, and its height."""
    longest = max(len(line.name) for line in lines) * INCHES_OF_A_SIGN + _HANDLE
    columns = max(1, min(len(lines), int(_square(request) * 0.85 / longest)))
    return columns, _LEGEND_ROW * -(-len(lines) // columns) + 0.1


def _roc(parts: Parts, request: FigureRequest, chosen: Chosen) -> Panel | Lacking:
    every = CLASSES_KEPT if request.class_name is not None else _LINES
    found = parts.breakdowns([chosen.place], every)
    if not found.cells or not found.cells[0].rocs:
        return Lacking(chosen.of.dataset.name, "curves.parquet has no ROC curve of this cell")
    classes = [one for one in found.cells[0].rocs if one.class_index >= 0]
    names = distinct((chosen.classes[one.class_index] for one in classes), 24)
    lines = [
        Curve(name, found.rates, [value / 1000 for value in one.thousandths])
        for name, one in zip(names, classes, strict=True)
        if request.class_name in (None, chosen.classes[one.class_index])
    ]
    if len(chosen.classes) > 2 and request.class_name is None:
        mean = found.cells[0].rocs[0]
        lines.append(Curve("mean", found.rates, [value / 1000 for value in mean.thousandths], True))
    note = sentences(chosen.note, _left_out(chosen, classes, "areas"), missing(parts, chosen.of.dataset.name))
    columns, more = _legend(request, lines)
    titles = ("false positive rate", "true positive rate")
    draw = partial(_lines, lines=lines, titles=titles, chance=([0, 1], [0, 1]), columns=columns)
    return Panel(chosen.of.dataset.name, _square(request) + more, draw, note)


def _precision(parts: Parts, request: FigureRequest, chosen: Chosen) -> Panel | Lacking:
    found = parts.precision_recall(chosen.place)
    if not found:
        return Lacking(
            chosen.of.dataset.name, "curves.parquet has no ROC curve of this cell, which this one is made from"
        )
    if request.class_name is not None:
        kept = [one for one in found if chosen.classes[one.class_index] == request.class_name]
    else:
        worst = sorted(found, key=_score)[:_LINES]
        kept = [one for one in found if one in worst]
    if not kept:
        return Lacking(chosen.of.dataset.name, f"no test example has the class {request.class_name!r}")
    names = distinct((chosen.classes[one.class_index] for one in kept), 24)
    lines = [Curve(_with_score(name, one), RECALLS, one.precision) for name, one in zip(names, kept, strict=True)]
    alone = len(kept) == 1
    guessing = f"Dotted: guessing, {kept[0].prevalence:.1%} of the examples" if alone else ""
    note = sentences(
        chosen.note, guessing, _left_out(chosen, kept, "average precision"), missing(parts, chosen.of.dataset.name)
    )
    chance = ([0.0, 1.0], [kept[0].prevalence] * 2) if alone else None
    columns, more = _legend(request, lines)
    draw = partial(_lines, lines=lines, titles=("recall", "precision"), chance=chance, columns=columns)
    return Panel(chosen.of.dataset.name, _square(request) + more, draw, note)


def _score(one: PrecisionRecall) -> float:
    return float(np.mean(one.precision)) if one.average_precision is None else one.average_precision


def _with_score(name: str, one: PrecisionRecall) -> str:
    return name if one.average_precision is None else f"{name} (AP {one.average_precision:.3f})"


def _left_out(chosen: Chosen, drawn: Sequence[object], smallest: str) -> str:
    if len(drawn) < _LINES or len(chosen.classes) <= _LINES:
        return ""
    return f"Of {len(chosen.classes)} classes the {_LINES} with the smallest {smallest} are drawn"


def _lines(
    ax: Axes,
    lines: Sequence[Curve],
    titles: tuple[str, str],
    chance: tuple[Sequence[float], Sequence[float]] | None,
    columns: int,
) -> None:
    if chance is not None:
        ax.plot(*chance, ":", color="0.5", linewidth=0.8)
    for place, line in enumerate(lines):
        color = "black" if line.is_mean else f"C{place % (_COLORS - 1)}"
        dash = "-" if line.is_mean or place < _COLORS - 1 else "--"
        ax.plot(line.x, line.y, dash, color=color, linewidth=1.8 if line.is_mean else 1.1, label=line.name)
    ax.set_xlabel(titles[0])
    ax.set_ylabel(titles[1])
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.02)
    ax.grid()
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), borderaxespad=0, ncols=columns)


def _confusion(parts: Parts, request: FigureRequest, chosen: Chosen) -> Panel | Lacking:
    found = parts.breakdowns([chosen.place])
    if not found.cells or not any(map(any, found.cells[0].counts)):
        return Lacking(chosen.of.dataset.name, "curves.parquet has no confusion counts of this cell")
    note = sentences(chosen.note, missing(parts, chosen.of.dataset.name))
    side = _square(request)
    names = distinct(chosen.classes, 14)
    room = side - 0.6 - INCHES_OF_A_SIGN * max(map(len, names))
    draw = partial(_matrix, item=found.cells[0], names=names, numbers=room / len(names) >= _NUMBERS)
    return Panel(chosen.of.dataset.name, side, draw, note)


def _matrix(ax: Axes, item: Breakdown, names: Sequence[str], numbers: bool) -> None:
    counts = np.array(item.counts, dtype=np.float64)
    sums = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, sums, out=np.full_like(counts, np.nan), where=sums > 0)
    ax.imshow(np.ma.masked_invalid(shares), cmap="Blues", vmin=0, vmax=1, aspect="equal")
    if numbers:
        for (true, predicted), count in np.ndenumerate(counts):
            if count:
                color = "white" if shares[true, predicted] > 0.55 else "black"
                ax.text(predicted, true, f"{count:.0f}", ha="center", va="center", color=color, fontsize=6)
    labelled = len(names) <= 40
    ax.set_xticks(range(len(names)) if labelled else [], names if labelled else [], rotation=90)
    ax.set_yticks(range(len(names)) if labelled else [], names if labelled else [])
    if len(names) > 15:
        ax.tick_params(labelsize=5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
