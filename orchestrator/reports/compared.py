"""By which measure the trials of each data set are compared, and on which split that is shown."""

from __future__ import annotations  # selections of trials are made without pandas

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from orchestrator.selection import ACCURACY, MEASURES, SQUARED_ERROR, Measure, Split, is_open, measure_among

if TYPE_CHECKING:
    import pandas as pd

SCORES: Final = [
    "protocol_config",
    *(f"{split}_{measure.name}" for split in ("train", "val", "test") for measure in MEASURES),
    *("test_f1_macro", "test_size"),
]
"""Columns of `trials` that a comparison may need."""


def measures_of(trials: pd.DataFrame) -> Mapping[str, Measure]:
    """By data set. trials: those that are planned, of all data sets: the test split is shown when none has still to run."""
    split: Split = "validation" if is_open(trials["status"].unique()) else "test"
    return {
        str(dataset): replace(measure_of(part), split=split) for dataset, part in trials.groupby("dataset", sort=False)
    }


def measure_of(trials: pd.DataFrame) -> Measure:
    """Of the trials of one data set: what they select by, on the test split."""
    numeric = _has(trials, SQUARED_ERROR) and not _has(trials, ACCURACY)
    voting = trials[trials["status"] != "skipped"]  # a protocol that its data cannot follow says nothing
    protocols = (trials if voting.empty else voting)["protocol_config"].dropna().value_counts(sort=False)
    found = measure_among({str(text): int(count) for text, count in protocols.items()}, numeric=numeric)
    default = SQUARED_ERROR if numeric else ACCURACY
    # a table of before it was measured has no column of it, or an empty one
    return default if _has(trials, default) and not _has(trials, found) else found


def best_first(frame: pd.DataFrame, column: str, measure: Measure) -> pd.DataFrame:
    """Rows without a value stand last; equals keep their order."""
    return frame.sort_values(column, ascending=not measure.higher_is_better, kind="stable", na_position="last")


def _has(trials: pd.DataFrame, measure: Measure) -> bool:
    there = [
        name for name in (f"val_{measure.name}", f"test_{measure.name}") if name in trials
    ]  # who tunes has no test
    return bool(trials[there].notna().to_numpy().any())
