"""What the page's charts show: heat maps, learning curves, confusion counts."""

from collections.abc import Iterator
from typing import Final

import pandas as pd

from orchestrator.reports.cells import AXES, Measure, best_first, measure_of, short_label
from orchestrator.reports.page import Best, Confusion, Curve, Curves, HeatMap, Number

CURVES_KEPT: Final = 60
"""Best cells whose curves the page carries, and as many worst ones."""
POINTS_KEPT: Final = 200
"""Epochs of a curve."""
CLASSES_KEPT: Final = 200
"""A confusion matrix of more classes is left to the Parquet table."""


def heat_maps(trials: pd.DataFrame, cells: pd.DataFrame) -> tuple[HeatMap, ...]:
    """One for each data set."""
    return tuple(
        _heat_map(str(name), measure_of(trials[trials["dataset"] == name]), part)
        for name, part in cells.groupby("dataset", sort=False)
    )


def _heat_map(dataset: str, measure: Measure, cells: pd.DataFrame) -> HeatMap:
    across = tuple(axis for axis in ("optimizer", "regularizer") if cells[axis].nunique() > 1) or ("optimizer",)
    placed = cells.assign(column=[short_label(row, across) for _, row in cells.iterrows()])
    rows = tuple(dict.fromkeys(placed["model"]))
    columns = tuple(dict.fromkeys(placed["column"]))
    values: list[list[Number]] = [[None] * len(columns) for _ in rows]
    notes = [["not in the grid"] * len(columns) for _ in rows]
    at_row, at_column = ({name: place for place, name in enumerate(names)} for names in (rows, columns))
    for _, cell in placed.iterrows():
        row, column = at_row[cell["model"]], at_column[cell["column"]]
        values[row][column] = number(cell["mean"])
        notes[row][column] = _note(number(cell["mean"]), number(cell["sd"]), int(cell["completed"]), cell["statuses"])
    return HeatMap(
        dataset=dataset,
        title=f"Test {measure.title}",
        higher_is_better=measure.higher_is_better,
        rows=rows,
        columns=columns,
        values=tuple(map(tuple, values)),
        notes=tuple(map(tuple, notes)),
    )


def _note(mean: Number, sd: Number, completed: int, statuses: str) -> str:
    if mean is None:
        return statuses
    spread = "" if sd is None else f" ± {sd:.4f}"
    return f"{mean:.4f}{spread}, {completed} {'seed' if completed == 1 else 'seeds'} ({statuses})"


def best_cells(trials: pd.DataFrame, cells: pd.DataFrame) -> tuple[Best, ...]:
    """The cell that validation puts first, of each data set that has one. The test split chooses nothing."""
    return tuple(_best(trials, cells))


def _best(trials: pd.DataFrame, cells: pd.DataFrame) -> Iterator[Best]:
    for name, part in cells[cells["mean"].notna()].groupby("dataset", sort=False):
        measure = measure_of(trials[trials["dataset"] == name])
        cell = best_first(part, "validation", measure).iloc[0]
        spread = "" if pd.isna(cell["sd"]) else f" ± {cell['sd']:.4f}"
        seeds = int(cell["completed"])
        score = f"{cell['mean']:.4f}{spread}"
        over = f"over {seeds} {'seed' if seeds == 1 else 'seeds'}"
        title = f"Mean test {measure.title} {over} of the cell with the best mean validation {measure.title}"
        yield Best(dataset=str(name), label=short_label(cell), title=title, score=score)


def learning_curves(trials: pd.DataFrame, cells: pd.DataFrame, epochs: pd.DataFrame) -> tuple[Curves, ...]:
    """The validation measure by epoch, over the completed trials of each cell."""
    done = trials.loc[trials["status"] == "completed", ["trial_id", "cell_id"]]
    rows = epochs.merge(done, on="trial_id")
    found = []
    for name, part in cells[cells["completed"] > 0].groupby("dataset", sort=False):
        measure = measure_of(trials[trials["dataset"] == name])
        ranked = best_first(part, "validation", measure)
        kept = ranked if len(ranked) <= 2 * CURVES_KEPT else pd.concat([ranked[:CURVES_KEPT], ranked[-CURVES_KEPT:]])
        of_cell = dict(tuple(rows[rows["cell_id"].isin(kept["cell_id"])].groupby("cell_id")))
        curves = (
            _curve(short_label(cell), of_cell[cell["cell_id"]], measure.validation)
            for _, cell in kept.iterrows()
            if cell["cell_id"] in of_cell
        )
        drawn = tuple(curve for curve in curves if any(value is not None for value in curve.mean))
        if drawn:
            found.append(Curves(str(name), f"Validation {measure.title}", drawn, len(ranked) - len(kept)))
    return tuple(found)


def _curve(label: str, epochs: pd.DataFrame, column: str) -> Curve:
    stats = epochs.groupby("epoch")[column].agg(["mean", "min", "max"])
    stats = stats.iloc[:: -(-len(stats) // POINTS_KEPT)]
    return Curve(
        label=label,
        epochs=tuple(int(epoch) for epoch in stats.index),
        mean=tuple(map(number, stats["mean"])),
        low=tuple(map(number, stats["min"])),
        high=tuple(map(number, stats["max"])),
        seeds=int(epochs["trial_id"].nunique()),
    )


def best_trials(trials: pd.DataFrame) -> list[tuple["pd.Series[str]", Measure]]:
    """The completed trial of each data set that validation puts first, with the measure that says so."""
    found = []
    for _, part in trials[trials["status"] == "completed"].groupby("dataset", sort=False):
        measure = measure_of(part)
        found.append((best_first(part, measure.validation, measure).iloc[0], measure))
    return found


def confusion(
    trial: "pd.Series[str]", measure: Measure, classes: pd.DataFrame, counts: pd.DataFrame
) -> Confusion | None:
    """classes, counts: rows of `classes` and of `curves` (`confusion`) of this trial. None where it has no classes."""
    size = len(classes)
    if not 0 < size <= CLASSES_KEPT:
        return None
    place = {int(index): at for at, index in enumerate(classes["class_index"])}
    matrix = [[0] * size for _ in range(size)]
    for true, predicted, count in zip(counts["class_index"], counts["other_index"], counts["y"], strict=True):
        matrix[place[int(true)]][place[int(predicted)]] = int(count)
    return Confusion(
        dataset=str(trial["dataset"]),
        trial_id=str(trial["trial_id"]),
        label=f"{short_label(trial, AXES[1:])} · seed {trial['seed']}",
        score=f"test {measure.title} {float(trial[measure.test]):.4f}",
        classes=tuple(map(str, classes["class_name"])),
        counts=tuple(map(tuple, matrix)),
    )


def number(value: object) -> Number:
    """A finite number to six digits, or None: JSON knows no NaN."""
    if value is None or pd.isna(value) or abs(float(value)) == float("inf"):  # type: ignore[call-overload,arg-type]
        return None
    return float(f"{float(value):.6g}")  # type: ignore[arg-type]
