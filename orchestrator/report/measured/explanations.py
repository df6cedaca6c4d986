"""What explanations are worth: a row for each cell and method, beside maps that have not seen the net."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from orchestrator.report.measured.section import CELL, Section, cells_table, measured
from orchestrator.report.page_data import Column
from orchestrator.store.frames import TablesRead
from results_schema import EXPLANATIONS

_ABOUT: Final = (
    "How faithful the maps of each method are to the net, mean over test pictures and seeds. Deletion: the class's"
    " probability while the pixels go, the first of the map first (small is good); insertion: while they come (large"
    " is good). A method whose deletion is no smaller than that of a random map shows nothing of this net. Likeness to"
    " the map of the same net with weights drawn again: near 1 the map does not depend on what the net has learnt."
    " Where a cue is planted (spurious): how often the map of a picture whose cue has misled the net is largest in the"
    " cue or a pixel beside it."
)
_MEANS: Final = {
    "deletion": "deletion",
    "insertion": "insertion",
    "deletion_gain": "better than random by",
    "similarity": "like an untrained net's",
    "completeness_gap": "completeness gap",
    "pointing": "points at the cue",
    "mass_chance": "by chance",
}


def explanations(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where none of them was measured so."""
    rows = measured(tables, trials, EXPLANATIONS, ["method", "n", "seconds", "reason", *_MEANS])
    if rows.empty:
        return None
    means = [name for name in _MEANS if rows[name].notna().any()]  # of a planted cue there is mostly none
    columns = (
        Column("method", "text"),
        *(Column(_MEANS[name], "number") for name in means),
        Column("seconds", "number"),
        Column("note", "text"),
        Column("pictures", "count"),
        Column("seeds", "count"),
    )
    table = cells_table(rows, columns, _figures(rows, means))
    return Section("explanations", "Explanations", _ABOUT, "Explanation methods and what they are worth", table)


def _figures(rows: pd.DataFrame, means: Sequence[str]) -> pd.DataFrame:
    """By cell and method."""
    grouped = rows.groupby([CELL, "method"], sort=False)
    no_better = grouped["deletion_gain"].mean() <= 0
    figures = grouped[[*means, "seconds"]].mean()
    figures.insert(0, "method", figures.index.get_level_values("method"))
    return figures.assign(
        note=grouped["reason"].first().fillna(no_better.map({True: "no better than a random map", False: ""})),
        pictures=grouped["n"].first(),
        seeds=grouped["seed"].nunique(),
    )
