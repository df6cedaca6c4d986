"""How much each source of variance brings: the split, initial weights, the order of examples, what is drawn while training.

Of cells whose seeds vary some sources alone (`seeds: {vary: ...}`) beside those whose seeds vary all (Bouthillier et al.
2021, "Accounting for Variance in Machine Learning Benchmarks", section 3): grids that differ in that alone, swept into one
directory.
"""

from typing import Any, Final

import pandas as pd
import pyarrow as pa

from orchestrator.errors import UserError
from orchestrator.evidence.selection import measures_of
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial
from results_schema import EVALUATION
from trainables import AXES
from trainables.spec import SOURCES

ALL: Final = ",".join(SOURCES)
_LEAST: Final = 2
"""Trials without which there is no deviation."""
_SHARED: Final = [*AXES, "data_fingerprint", "protocol_config"]
"""What rows have in common that differ in what their seeds vary, and in nothing else."""
_SCHEMA: Final = pa.schema(
    [
        *(pa.field(axis, pa.string()) for axis in AXES),
        pa.field("varied", pa.string()),
        pa.field("measure", pa.string()),
        pa.field("n", pa.int64()),
        pa.field("mean", pa.float64()),
        pa.field("deviation", pa.float64()),
        pa.field("share", pa.float64()),
    ]
)


def variance_table(paths: ResultsPaths) -> pa.Table:
    """A row for each cell and what its seeds vary, the latest grid's and earlier ones': the greatest deviation first.

    `deviation`: of the completed trials (n - 1), in the unit of `measure`. `share`: its square, over that of the seeds that
    vary everything; null where none do. Shares of the sources need not add up to 1: they act together. Raises UserError
    where no seeds vary some sources alone, DamagedResults.
    """
    trials = every_trial(paths).to_pandas()
    evaluating = trials[trials["purpose"].fillna(EVALUATION) == EVALUATION]
    if "varied" not in evaluating or not evaluating["varied"].notna().any():
        raise UserError(
            f"{paths.root} has no trials whose seeds vary one source alone; sweep the grid into it once more for each"
            " source, with seeds: {count: 10, vary: [init]}, then [order], [augment] and [split]"
        )
    measures = measures_of(evaluating)
    rows: list[dict[str, Any]] = []
    for shared, cell in evaluating.groupby(_SHARED, sort=False):
        axes = dict(zip(AXES, shared, strict=False))
        rows += _of_cell(cell, axes, measures[axes["dataset"]].shown)
    return pa.Table.from_pylist(rows, _SCHEMA)


def _of_cell(cell: pd.DataFrame, axes: dict[str, str], measure: str) -> list[dict[str, Any]]:
    """Nothing of a cell whose seeds vary everything and no source alone."""
    done = cell[cell["status"] == "completed"].assign(varied=cell["varied"].fillna(ALL))
    scores = {varied: part[measure].dropna() for varied, part in done.groupby("varied", sort=False)}
    scores = {varied: values for varied, values in scores.items() if len(values) >= _LEAST}
    if not scores.keys() - {ALL}:
        return []
    whole = float(scores[ALL].var()) if ALL in scores else 0.0
    rows = [
        {
            **axes,
            "varied": varied,
            "measure": measure,
            "n": len(values),
            "mean": float(values.mean()),
            "deviation": float(values.std()),
            "share": float(values.var()) / whole if whole else None,
        }
        for varied, values in scores.items()
    ]
    return sorted(rows, key=lambda row: -row["deviation"])
