"""Whether shifts are noticed: a row for each cell, detector and size of windows."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import CELL, Section, cells_table, measured
from orchestrator.report.page_data import Column
from orchestrator.store.frames import TablesRead
from results_schema import DRIFT
from trainables.measurements.drift import HARMFUL

_ABOUT: Final = (
    "Whether it is noticed that other pictures come, by what the net says of windows of them, mean over seeds. False alarms:"
    " share of windows of the test split as it is. Power: share of windows with a shift that costs 5 points of accuracy at"
    " least, mean over these shifts, and of the one that is found worst. An alarm about a shift that costs a point at most"
    " is right, and nothing to act on. The table drift.parquet has each shift, with its delay in pictures."
)
_WANTED: Final = [
    "detector",
    "window",
    "shift",
    "severity",
    "false_alarms",
    "power",
    "harm",
    "harmless",
    "reason",
]
_ROW: Final = [CELL, "detector", "window"]


def drift(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where none of them was measured so."""
    rows = measured(tables, trials, DRIFT, _WANTED)
    if rows.empty:
        return None
    columns = (
        Column("detector", "text"),
        Column("window", "count"),
        Column("false alarms", "number"),
        Column("power", "number"),
        Column("found worst", "text"),
        Column("alarms about harmless shifts", "number"),
        Column("note", "text"),
        Column("seeds", "count"),
    )
    table = cells_table(rows, columns, _figures(rows))
    return Section("drift", "Drift", _ABOUT, "Detectors of drift", table)


def _figures(rows: pd.DataFrame) -> pd.DataFrame:
    """By cell, detector and size of windows."""
    grouped = rows.groupby(_ROW, sort=False)
    harmful = rows[(rows["harm"] >= HARMFUL) & rows["power"].notna()]
    of_shifts = harmful.groupby([*_ROW, "shift", "severity"], as_index=False)["power"].mean()
    least = of_shifts.loc[of_shifts.groupby(_ROW)["power"].idxmin()].set_index(_ROW)
    named = [
        f"{each.shift} {each.severity} ({each.power:.3f})" if each.severity else f"{each.shift} ({each.power:.3f})"
        for each in least.itertuples()
    ]
    figures = grouped[["detector", "window"]].first()
    return figures.assign(
        false_alarms=rows[rows["shift"] == "none"].groupby(_ROW)["false_alarms"].mean(),
        power=of_shifts.groupby(_ROW)["power"].mean(),
        found_worst=pd.Series(named, least.index, dtype=object),
        harmless=rows[rows["harmless"].eq(True)].groupby(_ROW)["power"].mean(),
        note=grouped["reason"].first(),
        seeds=grouped["seed"].nunique(),
    )
