"""The names of cells."""

from typing import Final

import pandas as pd

from orchestrator.tuning.wording import shown_text

AXES: Final = ("dataset", "model", "optimizer", "regularizer")


def short_label(row: "pd.Series[str]", axes: tuple[str, ...] = AXES[1:]) -> str:
    """`cnn · adam lr=0.003 · dropout p=0.3`."""
    return " · ".join(str(row[axis]) for axis in axes)


def tuned_label(row: "pd.Series[str]") -> str:
    """The same with the values that tuning chose, if it did: `cnn · adam · none · optimizer.lr=0.003`."""
    chosen = None if pd.isna(row["tuned"]) else row["tuned"]
    return " · ".join(filter(None, (short_label(row), shown_text(chosen))))
