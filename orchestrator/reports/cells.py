"""From trials to cells: means and spreads over seeds, under the measure that fits the data set."""

from dataclasses import dataclass
from typing import Final

import pandas as pd

AXES: Final = ("dataset", "model", "optimizer", "regularizer")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a data set's trials are compared by."""

    title: str
    test: str
    """Column of `trials`."""
    validation: str
    """Column of `epochs` and `trials`."""
    higher_is_better: bool


ACCURACY: Final = Measure("accuracy", "test_accuracy", "val_accuracy", higher_is_better=True)
SQUARED_ERROR: Final = Measure("mean squared error", "test_mse", "val_mse", higher_is_better=False)


def measure_of(trials: pd.DataFrame) -> Measure:
    """Of the trials of one data set: squared error where they have that and no accuracy."""
    numeric = trials["test_accuracy"].isna().all() and trials["test_mse"].notna().any()
    return SQUARED_ERROR if numeric else ACCURACY


def summarise(trials: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell, in the order of the plan.

    Columns: cell_id, the axes, `trials`, `completed`, `statuses` (such as `2 completed, 1 failed`), and over the
    completed ones `mean`, `sd` (of the sample; missing below two), `validation`, `seconds`, `parameters`.
    """
    if trials.empty:
        return pd.DataFrame(columns=["cell_id", *AXES, *_FIGURES])
    measures = {str(name): measure_of(part) for name, part in trials.groupby("dataset", sort=False)}
    done = trials["status"] == "completed"
    values = trials.assign(
        _test=_chosen(trials, {name: measure.test for name, measure in measures.items()}).where(done),
        _validation=_chosen(trials, {name: measure.validation for name, measure in measures.items()}).where(done),
        _done=done,
    )
    groups = values.groupby("cell_id", sort=False)
    cells = groups.agg(
        **{axis: (axis, "first") for axis in AXES},
        trials=("trial_id", "size"),
        completed=("_done", "sum"),
        mean=("_test", "mean"),
        sd=("_test", "std"),
        validation=("_validation", "mean"),
        seconds=("train_seconds", "mean"),
        parameters=("parameters", "max"),
    )
    told = trials.groupby(["cell_id", "status"], sort=False).size().reset_index(name="count")
    told["text"] = told["count"].astype(str) + " " + told["status"]
    cells["statuses"] = told.groupby("cell_id", sort=False)["text"].agg(", ".join)
    return cells.reset_index()


_FIGURES: Final = ("trials", "completed", "mean", "sd", "validation", "seconds", "parameters", "statuses")


def short_label(row: "pd.Series[str]", axes: tuple[str, ...] = AXES[1:]) -> str:
    """`cnn · adam lr=0.003 · dropout p=0.3`."""
    return " · ".join(str(row[axis]) for axis in axes)


def best_first(frame: pd.DataFrame, column: str, measure: Measure) -> pd.DataFrame:
    """Rows without a value stand last; equals keep their order."""
    return frame.sort_values(column, ascending=not measure.higher_is_better, kind="stable", na_position="last")


def _chosen(trials: pd.DataFrame, columns: dict[str, str]) -> "pd.Series[float]":
    """For each trial the value of its data set's column."""
    chosen = pd.Series(float("nan"), index=trials.index, dtype="float64")
    for dataset, column in columns.items():
        own = trials["dataset"] == dataset
        chosen[own] = trials.loc[own, column].astype("float64")
    return chosen
