"""Whether shifts are noticed: a row for each cell, detector and size of windows."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import Section, cells_table, measured
from orchestrator.report.page_data import Column, Field, number
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
    table = cells_table(rows, columns, _fields, within=("detector", "window"))
    return Section("drift", "Drift", _ABOUT, "Detectors of drift", table)


def _fields(cell: pd.DataFrame) -> tuple[Field, ...]:
    harmful = cell[(cell["harm"] >= HARMFUL) & cell["power"].notna()]
    harmless = cell[cell["harmless"].eq(True)]
    of_shifts = harmful.groupby(["shift", "severity"])["power"].mean()
    reasons = cell["reason"].dropna()
    return (
        str(cell["detector"].iloc[0]),
        int(cell["window"].iloc[0]),
        number(cell.loc[cell["shift"] == "none", "false_alarms"].mean()),
        number(of_shifts.mean()),
        _worst(of_shifts),
        number(harmless["power"].mean()),
        str(reasons.iloc[0]) if len(reasons) else "",
        int(cell["seed"].nunique()),
    )


def _worst(power: "pd.Series[float]") -> str:
    """power: by shift and severity."""
    if power.empty:
        return ""
    name = " ".join(str(part) for part in power.index[int(power.argmin())] if part != 0)
    return f"{name} ({power.min():.3f})"
