"""One number for each trial, by the measure of a claim."""

import numpy as np
import pandas as pd

from orchestrator.grid.measures import Measure, is_higher_better
from orchestrator.reports.stats.profiles import time_to_target

COMPLETED = "completed"
DIVERGED = "diverged"


def measured(on: Measure, trials: pd.DataFrame, epochs: pd.DataFrame) -> "pd.Series[float]":
    """By trial_id; missing where a trial has none. A time is infinite where a trial that ended never got there.

    trials, epochs: of the tables. Only a trial that is completed has a value; for `diverged` and for times, one that
    diverged has one too (it never gets there: AlgoPerf's rule, Dahl et al. 2023, section 4.2).
    """
    rows = trials.set_index("trial_id")
    match on.form:
        case "diverged":
            ended = rows["status"].isin([COMPLETED, DIVERGED])
            return (rows["status"] == DIVERGED).astype("float64").where(ended)
        case "gap":
            ahead = _column(rows, f"train_{on.column}") - _column(rows, f"test_{on.column}")
            values = ahead if is_higher_better(on.column) else -ahead
        case "time":
            ended = rows["status"].isin([COMPLETED, DIVERGED])
            assert on.target is not None, "a time is to a target"
            higher = bool(is_higher_better(on.column))
            reached = time_to_target(epochs, on.target, measure=on.column, higher_is_better=higher, clock=on.clock)
            # what diverged never gets there, even where it had been there before
            times = reached.reindex(rows.index).fillna(np.inf).mask(rows["status"] == DIVERGED, np.inf)
            times += _before_training(rows) if on.clock == "seconds" else 0.0
            return times.where(ended & _has(on.column, rows, epochs))
        case "value":
            values = _mean_over_epochs(on, epochs, rows) if on.table == "epochs" else _column(rows, on.column)
    return values.where(np.isfinite(values) & (rows["status"] == COMPLETED))


def _has(column: str, rows: pd.DataFrame, epochs: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a trial's data have the measure at all: some trial on the same data has a value of it."""
    data = rows["data_fingerprint"].fillna(rows["dataset"]) if "data_fingerprint" in rows else rows["dataset"]
    measuring = data.reindex(epochs["trial_id"][epochs[column].notna()].unique()).dropna()
    return data.isin(measuring)


def _column(rows: pd.DataFrame, name: str) -> "pd.Series[float]":
    """Missing where a table of an older version lacks it."""
    if name not in rows:
        return pd.Series(np.nan, index=rows.index, dtype="float64")
    return rows[name].astype("float64")


def _before_training(rows: pd.DataFrame) -> "pd.Series[float]":
    """Seconds in which features and examples were made: to do a part of it beforehand makes no training quicker."""
    return (_column(rows, "total_seconds") - _column(rows, "train_seconds")).fillna(0.0)


def _mean_over_epochs(on: Measure, epochs: pd.DataFrame, rows: pd.DataFrame) -> "pd.Series[float]":
    means: pd.Series[float] = epochs.groupby("trial_id")[on.column].mean()
    return means.astype("float64").reindex(rows.index)
