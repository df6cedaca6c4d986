"""What nets are bad at: of each cell, and of all that its test split is parted by, the part with the least accuracy."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import CELL, Section, cells_table, measured
from orchestrator.report.page_data import Column
from orchestrator.results.audit import LEVEL, in_words, kind, p_in_words
from orchestrator.results.ranked import short_label
from orchestrator.store.frames import TablesRead
from results_schema import GROUPS

_ABOUT: Final = (
    "The part of the test split with the least accuracy, of all parts with at least 30 examples: mean over seeds. p,"
    " of slices that nobody named, is the least of any seed, of the part being as bad by chance, after Holm over all"
    " slices of a measurement. Clusters are of what the net makes of pictures that it answers alike: the worst of an answer."
    " The table groups.parquet has every part of every trial, with its interval, and `orch audit` tells it in words."
)
_TOLD: Final = 5
"""Cells whose worst slice is told in a sentence, at most."""


def groups(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where none of them was measured so."""
    found = measured(tables, trials, GROUPS, ["by", "part", "n", "accuracy", "recall_macro", "p", "left_out"])
    compared = found[found["left_out"].isna()]
    if compared.empty:
        return None
    # of slices there is no recall, and their ranges and clusters differ from seed to seed
    kinds = {part: kind(part) for part in compared["part"].unique()}
    named = compared["recall_macro"].notna()
    rows = compared.assign(place=compared["part"].where(named, compared["part"].map(kinds)))
    columns = (
        Column("parted by", "text"),
        Column("worst part", "text"),
        Column("its accuracy", "number"),
        Column("accuracy of all parts", "number"),
        Column("p", "number"),
        Column("seeds", "count"),
    )
    about = " ".join([_ABOUT, *_worst_slices(rows)])
    return Section("groups", "Groups", about, "Worst groups", cells_table(rows, columns, _figures(rows)))


def _worst_slices(rows: pd.DataFrame) -> list[str]:
    """Of each cell, the slice that is worst in any seed beyond chance, in words."""
    slices = rows[(rows["p"] < LEVEL) & (rows["by"] != "confidence")]
    worst = slices.loc[slices.groupby(CELL)["accuracy"].idxmin()]
    told = [
        f"{row['dataset']} · {short_label(row)} is worst at {in_words(row['by'], row['part'])}: accuracy"
        f" {row['accuracy']:.2f} in {row['n']} pictures, {p_in_words(row['p'])} (seed {row['seed']})."
        for _, row in worst.head(_TOLD).iterrows()
    ]
    return told if len(worst) <= _TOLD else [*told, f"And so on for {len(worst) - _TOLD} more cells."]


def _figures(rows: pd.DataFrame) -> pd.DataFrame:
    """By cell and what its test split is parted by."""
    grouped = rows.assign(right=rows["accuracy"] * rows["n"]).groupby([CELL, "by"], sort=False)
    # of the clusters of an answer the worst
    rows = rows.sort_values("accuracy", kind="stable").drop_duplicates(["trial_id", "by", "place"])
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
