"""How nets do on a stream that changes: a row for each cell, from the first block after those that it has seen."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import CELL, Section, cells_table, measured
from orchestrator.report.page_data import Column
from orchestrator.store.frames import TablesRead
from results_schema import PREQUENTIAL

_ABOUT: Final = (
    "Accuracy on the blocks of a stream that come after those a net has seen, mean over seeds, and how many of them would be"
    " noticed to be other pictures. Each block is tested on by a net that has learnt from none of it. The table"
    " prequential.parquet has each block by itself, with what changes its pictures and the p of its alarm."
)
_WANTED: Final = ["block", "shift", "n", "accuracy", "alarm"]


def prequential(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where none of them was measured so."""
    rows = measured(tables, trials, PREQUENTIAL, _WANTED)
    if rows.empty:
        return None
    by_block = rows.groupby([CELL, "block"], as_index=False).agg({"accuracy": "mean", "shift": "first"})
    worst = by_block.loc[by_block.groupby(CELL)["accuracy"].idxmin()].set_index(CELL)
    named = [f"{each.block}: {each.shift} ({each.accuracy:.3f})" for each in worst.itertuples()]
    weighed = rows.assign(right=rows["accuracy"] * rows["n"], alarmed=rows["alarm"].astype(float))
    grouped = weighed.groupby(CELL)
    alarmed = rows[rows["alarm"].eq(True)].groupby([CELL, "seed"])["block"].min().groupby(CELL).median()
    figures = pd.DataFrame(
        {
            "from": grouped["block"].min(),
            "first": by_block.groupby(CELL)["accuracy"].first(),
            "all": grouped["right"].sum() / grouped["n"].sum(),
            "worst": pd.Series(named, worst.index, dtype=object),
            "share": grouped["alarmed"].mean(),
            "alarm": alarmed,
            "seeds": grouped["seed"].nunique(),
        }
    )
    columns = (
        Column("blocks seen", "count"),
        Column("first block", "number"),
        Column("all pictures", "number"),
        Column("worst block", "text"),
        Column("share of alarms", "number"),
        Column("first alarm in block", "number"),
        Column("seeds", "count"),
    )
    return Section("prequential", "Streams", _ABOUT, "Accuracy along a stream", cells_table(rows, columns, figures))
