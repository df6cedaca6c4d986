"""ROC curves and confusion counts of the cells, as the page shows them class by class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.report.page_data import Breakdown, Breakdowns, Roc

CURVE_COLUMNS: Final = ["trial_id", "curve", "class_index", "point", "x", "y", "other_index"]
CLASS_COLUMNS: Final = ["trial_id", "class_index", "class_name"]

NUMBERS_KEPT: Final = 300_000
"""Of all cells together: some 1 MB."""
CLASSES_KEPT: Final = 100
"""Counts of more classes are left to the Parquet table."""
CURVES_KEPT: Final = 10
_RATES: Final = np.round(np.linspace(0, 1, 25) ** 2, 4)
"""Close to each other where the curves bend."""

NONE: Final = Breakdowns(classes=(), rates=(), cells=(), left_out=0)
"""Of a sweep whose test split is not looked at yet."""

Classes = Mapping[str, tuple[tuple[int, ...], tuple[str, ...]]]
"""Indices and names of the classes of each data set that has classes."""


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
            kept += list(places[: max(1, int(share / (size**2 + len(_RATES) * min(size, CURVES_KEPT))))])
    return kept


def breakdowns(
    trials: pd.DataFrame,
    ranked: pd.DataFrame,
    kept: Sequence[int],
    classes: Classes,
    curves: pd.DataFrame,
    most: int = CURVES_KEPT,
) -> Breakdowns:
    """curves: rows of `curves` of the trials of the cells in `kept`. most: classes of a cell whose ROC curves are kept."""
    of_cell = {str(ranked["cell_id"].iloc[place]): place for place in kept}
    known = {
        str(trial): of_cell[cell]
        for trial, cell in zip(trials["trial_id"], trials["cell_id"], strict=True)
        if cell in of_cell
    }
    names = [classes.get(dataset, ((), ()))[1] for dataset in dict.fromkeys(trials["dataset"])]
    able = int(((ranked["n"] > 0) & ranked["dataset"].isin(list(classes))).sum())
    datasets = {place: str(ranked["dataset"].iloc[place]) for place in kept}
    return Breakdowns(
        classes=tuple(names),
        rates=tuple(map(float, _RATES)),
        cells=tuple(_breakdowns(curves, known, kept, {at: classes[name][0] for at, name in datasets.items()}, most)),
        left_out=able - len(kept),
    )


def _breakdowns(
    curves: pd.DataFrame,
    place_of: Mapping[str, int],
    kept: Sequence[int],
    indices_of: Mapping[int, tuple[int, ...]],
    most: int,
) -> Iterator[Breakdown]:
    """Of each cell in `kept` that has rows. place_of: the cell of a trial. indices_of: the classes of a cell.

    A page has a million of these rows, so they are taken apart as arrays, once for all cells.
    """
    codes, trials = pd.factorize(curves["trial_id"])
    cells = np.array([place_of[str(trial)] for trial in trials], dtype=np.int64)
    seeds = dict(zip(*np.unique(cells, return_counts=True), strict=True))
    is_roc, is_count = ((curves["curve"] == kind).to_numpy(dtype=np.bool_) for kind in ("roc", "confusion"))
    counts = _counts(curves[is_count], cells[codes[is_count]], indices_of)
    lines = _lines(curves[is_roc], codes[is_roc], cells)
    for place in kept:
        if place in seeds:
            rocs = _rocs(lines.get(place, {}), indices_of[place], most)
            yield Breakdown(place, int(seeds[place]), counts[place], rocs)


def _counts(
    rows: pd.DataFrame, cells: NDArray[np.int64], indices_of: Mapping[int, tuple[int, ...]]
) -> dict[int, tuple[tuple[int, ...], ...]]:
    """True class by predicted class of each cell, summed over seeds. rows: of confusion. cells: of each row."""
    order = np.argsort(cells, kind="stable")
    true, predicted = (rows[name].to_numpy(dtype=np.int64)[order] for name in ("class_index", "other_index"))
    examples = rows["y"].to_numpy(dtype=np.int64)[order]
    bounds = {place: np.searchsorted(cells[order], [place, place + 1]) for place in indices_of}
    found = {}
    for place, indices in indices_of.items():
        own, size = slice(*bounds[place]), len(indices)
        at = np.full(max(indices, default=-1) + 1, size)  # an index that is no class is an error below
        at[list(indices)] = np.arange(size)
        summed = np.zeros((size, size), dtype=np.int64)
        np.add.at(summed, (at[true[own]], at[predicted[own]]), examples[own])
        found[place] = tuple(map(tuple, summed.tolist()))
    return found


def _lines(
    rows: pd.DataFrame, trials: NDArray[np.int64], cells: NDArray[np.int64]
) -> dict[int, dict[int, NDArray[np.float64]]]:
    """Of each cell its curves by the index of their class: true positive rates at `_RATES`, the mean over seeds.

    Averaged vertically (Fawcett, "An introduction to ROC analysis", 2006, section 8.1). Where a curve rises straight up,
    its top counts: of equal x, `interp` takes the last. rows: of ROC curves. trials: of each row. cells: of each trial.
    """
    of_class, point = (rows[name].to_numpy(dtype=np.int64) for name in ("class_index", "point"))
    order = np.lexsort((point, of_class, trials))
    trials, of_class = trials[order], of_class[order]
    x, y = (rows[name].to_numpy(dtype=np.float64)[order] for name in ("x", "y"))
    starts = np.flatnonzero(np.diff(trials, prepend=-1) | np.diff(of_class, prepend=-1))
    drawn: dict[int, dict[int, list[NDArray[np.float64]]]] = {}
    for start, end in zip(starts, np.append(starts[1:], len(x))[: len(starts)], strict=True):
        of_cell = drawn.setdefault(int(cells[trials[start]]), {})
        of_cell.setdefault(int(of_class[start]), []).append(np.interp(_RATES, x[start:end], y[start:end]))
    return {
        place: {index: np.mean(seeds, axis=0) for index, seeds in of_cell.items()} for place, of_cell in drawn.items()
    }


def _rocs(lines: Mapping[int, NDArray[np.float64]], indices: tuple[int, ...], most: int) -> tuple[Roc, ...]:
    """The mean over all classes, then the classes with the smallest areas. lines: by index of the class."""
    if not lines:
        return ()
    means = {indices.index(index): line for index, line in lines.items()}
    every = np.array(list(means.values()))
    areas = dict(zip(means, ((every[:, 1:] + every[:, :-1]) / 2 @ np.diff(_RATES)).tolist(), strict=True))
    least = sorted(sorted(means, key=lambda at: areas[at])[:most])
    shown = [(-1, every.mean(axis=0)), *((at, means[at]) for at in least)]
    return tuple(Roc(at, tuple(np.rint(1000 * line).astype(int).tolist())) for at, line in shown)
