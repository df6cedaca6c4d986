"""How nets do under attack: a row for each cell and eps, beside random changes of the same size."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import CELL, Section, cells_table, measured
from orchestrator.report.page_data import Column
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
    attacked = found[found["method"] != "clean"]
    if attacked.empty:
        return None
    clean = found[found["method"] == "clean"].groupby("trial_id")["accuracy"].first().rename("clean")
    rows = attacked.join(clean, on="trial_id")
    columns = (
        *(Column(title, "number") for title in ("eps", "clean", *_METHODS)),
        Column("note", "text"),
        Column("pictures", "count"),
        Column("seeds", "count"),
    )
    grouped = rows.groupby([CELL, "eps"])
    methods = rows.groupby([CELL, "eps", "method"])["accuracy"].mean().unstack("method").reindex(columns=_METHODS)
    masked = rows.assign(masked=rows["monotone"].eq(False)).groupby([CELL, "eps"])["masked"].any()
    figures = methods.assign(
        eps=methods.index.get_level_values("eps"),
        clean=grouped["clean"].mean(),
        note=masked.map({True: "gradients are masked", False: ""}),
        pictures=grouped["n"].first(),
        seeds=grouped["seed"].nunique(),
    )[["eps", "clean", *_METHODS, "note", "pictures", "seeds"]]
    table = cells_table(rows, columns, figures)
    return Section("attacks", "Attacked pictures", _ABOUT, "Accuracy under attacks", table)
