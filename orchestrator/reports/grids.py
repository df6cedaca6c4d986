"""The tables of the page: cells, trials, and what went wrong."""

from collections.abc import Iterable
from typing import Any, Final

import pandas as pd

from orchestrator.reports.cells import AXES, best_first, measure_of
from orchestrator.reports.charts import number
from orchestrator.reports.page import Column, Grid

ROWS_KEPT: Final = 20_000
"""What a browser still sorts at once."""
_LONGEST_REASON: Final = 300
_AXIS_COLUMNS: Final = tuple(Column(axis, "text") for axis in AXES)


def cell_grid(trials: pd.DataFrame, cells: pd.DataFrame) -> Grid:
    """Cells with mean and spread over seeds, the best of each data set first."""
    title = _title(trials)
    columns = (
        *_AXIS_COLUMNS,
        Column(f"{title} (mean)", "number"),
        Column("± sd", "number"),
        Column("n", "count"),
        Column("validation", "number"),
        Column("train s", "seconds"),
        Column("parameters", "count"),
        Column("trials", "text"),
    )
    names = (*AXES, "mean", "sd", "completed", "validation", "seconds", "parameters", "statuses")
    return _grid(columns, _ranked(trials, cells, "validation"), names)


def trial_grid(trials: pd.DataFrame) -> Grid:
    """All planned trials, the best of each data set first."""
    measures = _measures(trials)
    columns = (
        Column("trial", "text"),
        *_AXIS_COLUMNS,
        Column("seed", "count"),
        Column("status", "status"),
        *(Column(title, "number") for title in measures.values()),
        Column("epochs", "count"),
        Column("train s", "seconds"),
    )
    names = ("trial_id", *AXES, "seed", "status", *measures, "epochs", "train_seconds")
    return _grid(columns, _ranked(trials, trials), names)


def problem_grid(trials: pd.DataFrame) -> Grid:
    """Cells whose trials failed, diverged or were skipped, with the reason and the seeds."""
    broken = trials[~trials["status"].isin(["completed", "pending", "running"])]
    reasons = broken["reason"].fillna("").map(_one_line)
    grouped = broken.assign(reason=reasons).groupby([*AXES, "status", "reason"], sort=False)
    rows = [(*key, ", ".join(map(str, sorted(part["seed"]))), part["trial_id"].iloc[0]) for key, part in grouped]
    columns = (
        *_AXIS_COLUMNS,
        Column("status", "status"),
        Column("reason", "text"),
        Column("seeds", "text"),
        Column("first trial", "text"),
    )
    return Grid(columns, tuple(rows[:ROWS_KEPT]), max(0, len(rows) - ROWS_KEPT))


def _title(trials: pd.DataFrame) -> str:
    titles = {measure_of(part).title for _, part in trials.groupby("dataset", sort=False)}
    return f"test {titles.pop()}" if len(titles) == 1 else "test score"


def _measures(trials: pd.DataFrame) -> dict[str, str]:
    """Columns of `trials` that hold anything, with their titles."""
    known = {
        "val_accuracy": "val accuracy",
        "test_accuracy": "test accuracy",
        "test_f1_macro": "test F1 (macro)",
        "val_mse": "val MSE",
        "test_mse": "test MSE",
        "test_r2": "test R²",
    }
    return {name: title for name, title in known.items() if trials[name].notna().any()}


def _ranked(trials: pd.DataFrame, frame: pd.DataFrame, column: str | None = None) -> pd.DataFrame:
    """Data set by data set in the order of the plan, by a column or else by the data set's validation measure."""
    parts = []
    for name, part in frame.groupby("dataset", sort=False):
        measure = measure_of(trials[trials["dataset"] == name])
        parts.append(best_first(part, column or measure.validation, measure))
    return pd.concat(parts) if parts else frame


def _grid(columns: tuple[Column, ...], frame: pd.DataFrame, names: Iterable[str]) -> Grid:
    kinds = [column.kind for column in columns]
    kept = frame[list(names)].head(ROWS_KEPT)
    rows = tuple(
        tuple(_value(value, kind) for value, kind in zip(row, kinds, strict=True))
        for row in kept.itertuples(index=False, name=None)
    )
    return Grid(columns, rows, max(0, len(frame) - ROWS_KEPT))


def _value(value: Any, kind: str) -> str | float | int | None:
    if kind in {"text", "status"}:
        return str(value)
    plain = number(value)
    return None if plain is None else int(value) if kind == "count" else plain


def _one_line(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"
