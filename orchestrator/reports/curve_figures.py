"""Learning curves of the cells, with bands over seeds, down-sampled to what a page can carry."""

from typing import Final

import numpy as np
import pandas as pd

from orchestrator.reports.compared import measures_of
from orchestrator.reports.figures import CellCurve, Curves, Line
from orchestrator.reports.numbers import numbers

MEASURES: Final = {
    "val_accuracy": "validation accuracy",
    "val_balanced_accuracy": "validation balanced accuracy",
    "val_mse": "validation mean squared error",
    "val_mae": "validation mean absolute error",
    "val_r2": "validation R²",
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "gradient_norm": "gradient norm",
}
"""Column of `epochs` to its title."""
EPOCH_COLUMNS: Final = ["trial_id", "epoch", *MEASURES]
_USUAL: Final = ("val_accuracy", "val_mse", "train_loss", "val_loss", "gradient_norm")
"""Drawn whatever the trials select by."""

NUMBERS_KEPT: Final = 150_000
"""Of all curves together: some 1 MB."""
_MOST_POINTS: Final = 80
_LEAST_POINTS: Final = 12


def learning_curves(trials: pd.DataFrame, ranked: pd.DataFrame, epochs: pd.DataFrame) -> Curves:
    """Mean, least and greatest of the completed seeds at each epoch; of a long training, some of its epochs.

    Where the cells are too many, the page carries the best ones of each data set.
    """
    done = trials.loc[trials["status"] == "completed", ["trial_id", "cell_id"]]
    rows = epochs.merge(done, on="trial_id")
    selecting = (measure.epoch for measure in measures_of(trials).values())
    of_cells = {
        name: rows.loc[rows[name].notna(), "cell_id"].nunique() for name in dict.fromkeys((*selecting, *_USUAL))
    }
    # the first is drawn first: what all cells have, and are selected by
    there = sorted((name for name, cells in of_cells.items() if cells), key=lambda name: -of_cells[name])
    drawn = set(rows["cell_id"]) if there else set()
    having = [place for place, cell in enumerate(ranked["cell_id"]) if cell in drawn]
    wide = 3 if done["cell_id"].duplicated().any() else 1
    most = NUMBERS_KEPT // (_LEAST_POINTS * wide * max(1, len(there)))
    kept = _best_of_each(ranked, having, most)
    points = min(_MOST_POINTS, max(_LEAST_POINTS, NUMBERS_KEPT // max(1, len(kept) * wide * len(there))))
    of_cell = dict(tuple(rows.groupby("cell_id", sort=False)))
    return Curves(
        measures=tuple(MEASURES[name] for name in there),
        curves=tuple(_curve(place, of_cell[ranked["cell_id"].iloc[place]], there, points) for place in kept),
        left_out=len(having) - len(kept),
    )


def _best_of_each(ranked: pd.DataFrame, having: list[int], most: int) -> list[int]:
    """Places of the cells to carry, as many of each data set as there is room for."""
    if len(having) <= most:
        return having
    datasets = ranked["dataset"].iloc[having]
    within = datasets.groupby(datasets, sort=False).cumcount()
    return sorted(within.sort_values(kind="stable").index[:most])


def _curve(place: int, rows: pd.DataFrame, names: list[str], points: int) -> CellCurve:
    by_epoch = rows.groupby("epoch")[names]
    every = np.sort(rows["epoch"].unique())
    chosen = every[np.unique(np.linspace(0, len(every) - 1, min(points, len(every))).round().astype(int))]
    mean, low, high = (found.loc[chosen] for found in (by_epoch.mean(), by_epoch.min(), by_epoch.max()))
    seeds = int(rows["trial_id"].nunique())
    return CellCurve(
        cell=place,
        seeds=seeds,
        epochs=tuple(int(epoch) for epoch in chosen),
        lines=tuple(
            None
            if rows[name].isna().all()
            else Line(
                mean=numbers(mean[name]),
                low=numbers(low[name]) if seeds > 1 else (),
                high=numbers(high[name]) if seeds > 1 else (),
            )
            for name in names
        ),
    )
