"""How nets do under attack: a row for each cell and eps, beside random changes of the same size."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import Section, cells_table, measured
from orchestrator.report.page_data import Column, Field, number
from orchestrator.store.frames import TablesRead
from results_schema import ATTACKS

_ABOUT: Final = (
    "Accuracy on the same test pictures as they are, after random changes and after attacks that follow the net's gradient,"
    " mean over seeds; no number of a picture changes by more than eps, of pixels in 0 to 1. Where a stronger attack leaves"
    " more right answers than a weaker one, gradients are masked, and what is left is no sign of robustness."
)
_METHODS: Final = ("random", "fgsm", "pgd")


def attacks(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where none of them was measured so."""
    found = measured(tables, trials, ATTACKS, ["method", "eps", "n", "accuracy", "monotone"])
    clean = found[found["method"] == "clean"].groupby("trial_id")["accuracy"].first().rename("clean")
    rows = found[found["method"] != "clean"]
    if rows.empty:
        return None
    columns = (
        *(Column(title, "number") for title in ("eps", "clean", *_METHODS)),
        Column("note", "text"),
        Column("pictures", "count"),
        Column("seeds", "count"),
    )
    table = cells_table(rows.join(clean, on="trial_id"), columns, _fields, within=("eps",))
    return Section("attacks", "Attacked pictures", _ABOUT, "Accuracy under attacks", table)


def _fields(cell: pd.DataFrame) -> tuple[Field, ...]:
    by_method = cell.groupby("method")["accuracy"].mean()
    told = cell["monotone"].dropna()
    return (
        number(cell["eps"].iloc[0]),
        number(cell["clean"].mean()),
        *(number(by_method.get(method)) for method in _METHODS),
        "" if told.astype(bool).all() else "gradients are masked",
        int(cell["n"].iloc[0]),
        int(cell["seed"].nunique()),
    )
