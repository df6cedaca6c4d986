"""ROC curves and confusion counts of the cells."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.reports.figures import Breakdown, Breakdowns, Roc

CURVE_COLUMNS: Final = ["trial_id", "curve", "class_index", "point", "x", "y", "other_index"]
CLASS_COLUMNS: Final = ["trial_id", "class_index", "class_name"]

NUMBERS_KEPT: Final = 300_000
"""Of all cells together: some 1 MB."""
CLASSES_KEPT: Final = 100
"""Counts of more classes are left to the Parquet table."""
_CURVES_KEPT: Final = 10
_RATES: Final = np.round(np.linspace(0, 1, 25) ** 2, 4)
"""Close to each other where the curves bend."""

NONE: Final = Breakdowns(classes=(), rates=(), cells=(), left_out=0)
"""Of a sweep whose test split is not looked at yet."""


def classes_of(trials: pd.DataFrame, classes: pd.DataFrame) -> dict[str, tuple[tuple[int, ...], tuple[str, ...]]]:
    """Indices and names of the classes of each data set: those of its first trial that has some."""
    rows = classes.merge(trials[["trial_id", "dataset"]], on="trial_id")
    found = {}
    for dataset, part in rows.groupby("dataset", sort=False):
        first = part[part["trial_id"] == part["trial_id"].iloc[0]].sort_values("class_index")
        found[str(dataset)] = (tuple(map(int, first["class_index"])), tuple(map(str, first["class_name"])))
    return found


def cells_kept(ranked: pd.DataFrame, sizes: dict[str, int]) -> list[int]:
    """Places of the cells that the page carries: the best ones, within a share for each data set."""
    share = NUMBERS_KEPT / max(1, len(sizes))
    kept = []
    for dataset, size in sizes.items():
        places = ranked.index[(ranked["dataset"] == dataset) & (ranked["n"] > 0)]
        if 0 < size <= CLASSES_KEPT:
            kept += list(places[: max(1, int(share / (size**2 + len(_RATES) * min(size, _CURVES_KEPT))))])
    return kept


def breakdowns(
    trials: pd.DataFrame,
    ranked: pd.DataFrame,
    kept: list[int],
    classes: dict[str, tuple[tuple[int, ...], tuple[str, ...]]],
    curves: pd.DataFrame,
) -> Breakdowns:
    """curves: rows of `curves` of the trials of the cells in `kept`."""
    of_trial = trials.set_index("trial_id")["cell_id"]
    by_cell = dict(tuple(curves.assign(cell_id=curves["trial_id"].map(of_trial)).groupby("cell_id", sort=False)))
    found = []
    for place in kept:
        rows = by_cell.get(ranked["cell_id"].iloc[place])
        if rows is not None:
            indices, _ = classes[str(ranked["dataset"].iloc[place])]
            found.append(_breakdown(place, rows, indices))
    names = [classes.get(dataset, ((), ()))[1] for dataset in dict.fromkeys(trials["dataset"])]
    able = int(((ranked["n"] > 0) & ranked["dataset"].isin(list(classes))).sum())
    return Breakdowns(
        classes=tuple(names),
        rates=tuple(map(float, _RATES)),
        cells=tuple(found),
        left_out=able - len(kept),
    )


def _breakdown(cell: int, rows: pd.DataFrame, indices: tuple[int, ...]) -> Breakdown:
    place = {index: at for at, index in enumerate(indices)}
    counts = np.zeros((len(indices), len(indices)), dtype=np.int64)
    confused = rows[rows["curve"] == "confusion"]
    np.add.at(
        counts, (confused["class_index"].map(place), confused["other_index"].astype(int).map(place)), confused["y"]
    )
    return Breakdown(
        cell=cell,
        seeds=int(rows["trial_id"].nunique()),
        counts=tuple(tuple(map(int, row)) for row in counts),
        rocs=_rocs(rows[rows["curve"] == "roc"], place),
    )


def _rocs(rows: pd.DataFrame, place: dict[int, int]) -> tuple[Roc, ...]:
    """Averaged vertically (Fawcett, "An introduction to ROC analysis", 2006, section 8.1). Where a curve rises straight
    up, its top counts: of equal x, `interp` takes the last."""
    if rows.empty:
        return ()
    ordered = rows.sort_values(["trial_id", "class_index", "point"], kind="stable")
    of_class: dict[int, list[NDArray[np.float64]]] = {}
    for (_, index), part in ordered.groupby(["trial_id", "class_index"], sort=False):
        of_class.setdefault(int(str(index)), []).append(np.interp(_RATES, part["x"], part["y"]))
    means = {place[index]: np.mean(drawn, axis=0) for index, drawn in of_class.items()}
    widths = np.diff(_RATES)
    areas = {index: float(np.sum(widths * (line[1:] + line[:-1]) / 2)) for index, line in means.items()}
    least = sorted(sorted(means, key=lambda index: areas[index])[:_CURVES_KEPT])
    every = [(-1, np.mean(list(means.values()), axis=0)), *((index, means[index]) for index in least)]
    return tuple(Roc(index, tuple(round(1000 * value) for value in line.tolist())) for index, line in every)
