"""What nets are bad at: of each cell, and of all that its test split is parted by, the part with the least accuracy."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import Section, cells_table, measured
from orchestrator.report.page_data import Column, Field, number
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
    return Section("groups", "Groups", _ABOUT, "Worst groups", cells_table(rows, columns, _fields, within=("by",)))


def _fields(cell: pd.DataFrame) -> tuple[Field, ...]:
    by_place = cell.groupby("place", sort=False)["accuracy"].mean()
    worst = cell[cell["place"] == by_place.idxmin()]
    weighted = (cell["accuracy"] * cell["n"]).sum() / cell["n"].sum()
    part = str(worst["part"].iloc[0]) if worst["part"].nunique() == 1 else str(by_place.idxmin())
    return (
        str(cell["by"].iloc[0]),
        part,
        number(by_place.min()),
        number(weighted),
        number(worst["p"].min()),
        int(cell["seed"].nunique()),
    )
