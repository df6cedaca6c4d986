"""The measure that fits a data set, and the names of cells."""

from dataclasses import dataclass
from typing import Final

import pandas as pd

from orchestrator.tuning.wording import shown_text

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
    right, squared = (
        trials[[f"val_{name}", f"test_{name}"]].notna().any(axis=None) for name in ("accuracy", "mse")
    )  # those that tune have no test scores
    numeric = squared and not right
    return SQUARED_ERROR if numeric else ACCURACY


def short_label(row: "pd.Series[str]", axes: tuple[str, ...] = AXES[1:]) -> str:
    """`cnn · adam lr=0.003 · dropout p=0.3`."""
    return " · ".join(str(row[axis]) for axis in axes)


def tuned_label(row: "pd.Series[str]") -> str:
    """The same with the values that tuning chose, if it did: `cnn · adam · none · optimizer.lr=0.003`."""
    chosen = None if pd.isna(row["tuned"]) else row["tuned"]
    return " · ".join(filter(None, (short_label(row), shown_text(chosen))))


def best_first(frame: pd.DataFrame, column: str, measure: Measure) -> pd.DataFrame:
    """Rows without a value stand last; equals keep their order."""
    return frame.sort_values(column, ascending=not measure.higher_is_better, kind="stable", na_position="last")
