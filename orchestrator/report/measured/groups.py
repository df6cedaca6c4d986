"""What nets are bad at: of each cell, and of all that its test split is parted by, the part with the least accuracy."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import CELL, Section, cells_table, measured
from orchestrator.report.page_data import Column
from orchestrator.store.frames import TablesRead
from results_schema import GROUPS

_ABOUT: Final = (
    "The part of the test split with the least accuracy, of all parts with at least 30 examples: mean over seeds. p,"
    " of slices that nobody named, is the least of any seed, of the part being as bad by chance, after Holm over all"
    " slices of a measurement. The table groups.parquet has every part of every trial, with its interval."
)


def groups(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where none of them was measured so."""
    found = measured(tables, trials, GROUPS, ["by", "part", "n", "accuracy", "p", "left_out"])
    compared = found[found["left_out"].isna()]
    if compared.empty:
        return None
    # the ranges of a slice differ from seed to seed: of numbers, parts are told apart by their place alone
    rows = compared.assign(place=compared["part"].str.replace(r"^(\d+ of \d+): .*", r"\1", regex=True))
    columns = (
        Column("parted by", "text"),
        Column("worst part", "text"),
        Column("its accuracy", "number"),
        Column("accuracy of all parts", "number"),
        Column("p", "number"),
        Column("seeds", "count"),
    )
    return Section("groups", "Groups", _ABOUT, "Worst groups", cells_table(rows, columns, _figures(rows)))


def _figures(rows: pd.DataFrame) -> pd.DataFrame:
    """By cell and what its test split is parted by."""
    grouped = rows.assign(right=rows["accuracy"] * rows["n"]).groupby([CELL, "by"], sort=False)
    of_place = rows.groupby([CELL, "by", "place"], as_index=False, sort=False)["accuracy"].mean()
    least = of_place.loc[of_place.groupby([CELL, "by"])["accuracy"].idxmin()]
    worst = rows.merge(least[[CELL, "by", "place"]]).groupby([CELL, "by"])
    # the ranges of a slice differ from seed to seed
    part = worst["part"].first().where(worst["part"].nunique() == 1, worst["place"].first())
    sums = grouped[["right", "n"]].sum()
    figures = pd.DataFrame({"by": sums.index.get_level_values("by")}, index=sums.index)
    return figures.assign(
        part=part,
        least=least.set_index([CELL, "by"])["accuracy"],
        of_all=sums["right"] / sums["n"],
        p=worst["p"].min(),
        seeds=grouped["seed"].nunique(),
    )
