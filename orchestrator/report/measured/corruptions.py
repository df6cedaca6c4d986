"""How nets do under corruptions: a row for each cell, from the clean pictures to the most corrupted."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from orchestrator.report.measured.section import Section, cells_table, measured
from orchestrator.report.page_data import Column, Field, number
from orchestrator.store.frames import TablesRead
from results_schema import CORRUPTIONS

_ABOUT: Final = (
    "Accuracy on the same test pictures as they are and under corruptions, mean over the corruptions of each severity and"
    " over seeds. The worst corruption is the one with the least mean accuracy over its severities. The table"
    " corruptions.parquet has each by itself, with cross-entropy and calibration error."
)


def corruptions(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where none of them was measured so."""
    rows = measured(tables, trials, CORRUPTIONS, ["corruption", "severity", "n", "accuracy"])
    if rows.empty:
        return None
    severities = sorted({int(severity) for severity in rows["severity"]} - {0})
    columns = (
        Column("clean", "number"),
        *(Column(f"severity {severity}", "number") for severity in severities),
        Column("worst corruption", "text"),
        Column("pictures", "count"),
        Column("seeds", "count"),
    )
    table = cells_table(rows, columns, lambda cell: _fields(cell, severities))
    return Section("corruptions", "Corrupted pictures", _ABOUT, "Accuracy under corruptions", table)


def _fields(cell: pd.DataFrame, severities: Sequence[int]) -> Sequence[Field]:
    by_severity = cell.groupby("severity")["accuracy"].mean()
    corrupted = cell[cell["severity"] > 0]
    by_kind = corrupted.groupby("corruption")["accuracy"].mean()
    worst = f"{by_kind.idxmin()} ({by_kind.min():.3f})" if len(by_kind) else ""
    return (
        *(number(by_severity.get(severity)) for severity in (0, *severities)),
        worst,
        int(cell["n"].iloc[0]),
        int(cell["seed"].nunique()),
    )
