"""The cells as the page's charts share them: heat maps, gaps, costs."""

from typing import Final

import pandas as pd

from orchestrator.reports.cells import AXES
from orchestrator.reports.compared import measures_of
from orchestrator.reports.figures import Axis, Cell, Cells, Cost, DataSet
from orchestrator.reports.numbers import number
from orchestrator.reports.ranked import COSTS

CELLS_KEPT: Final = 20_000


def cell_figures(trials: pd.DataFrame, ranked: pd.DataFrame) -> Cells:
    """ranked: of `ranked_cells`, whose order the cells keep."""
    axes = tuple(Axis(name, tuple(map(str, dict.fromkeys(trials[name])))) for name in AXES)
    places = [{level: place for place, level in enumerate(axis.levels)} for axis in axes]
    measures = measures_of(trials)
    kept = ranked.head(CELLS_KEPT)
    return Cells(
        axes=axes,
        datasets=tuple(
            DataSet(name, measures[name].score, measures[name].split, measures[name].higher_is_better)
            for name in axes[0].levels
        ),
        costs=tuple(Cost(title, unit) for title, unit in COSTS.values()),
        cells=tuple(
            Cell(
                at=tuple(place[str(row[axis])] for place, axis in zip(places, AXES, strict=True)),
                rank=None if pd.isna(row["rank"]) else int(row["rank"]),
                ties=bool(row["ties"]),
                mean=number(row["mean"]),
                low=number(row["low"]),
                high=number(row["high"]),
                n=int(row["n"]),
                statuses=str(row["statuses"]),
                train=number(row["train"]),
                costs=tuple(number(row[cost]) for cost in COSTS),
            )
            for row in kept.to_dict("records")
        ),
        left_out=len(ranked) - len(kept),
    )
