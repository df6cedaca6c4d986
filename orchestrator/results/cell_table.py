"""The leaderboards of a results directory as one table: `orch results RESULTS --cells`."""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.evidence.pictures import KeptPictures
from orchestrator.grid.claims import min_seeds
from orchestrator.results.board import board_of
from orchestrator.results.per_class import Majority, majorities
from orchestrator.results.ranked import counted_as, scope_of, untold
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import counted
from trainables import AXES

USUAL = (*AXES, "tuned", "rank", "ties", "mean", "low", "high", "spread", "n", "statuses", "p", "validation", "measure")
"""Shown unless all columns are."""


@dataclass(frozen=True, slots=True)
class CellTable:
    """What is shown."""

    cells: pa.Table
    """A row for each cell: the columns of `Results.cells()`."""
    baselines: tuple[Majority, ...]
    """Beside the cells, and none of them."""
    notes: tuple[str, ...]
    """What its figures are about, of each data set, and what is damaged."""

    def with_baselines(self) -> pa.Table:
        """The cells, and after those of each data set a row of what is no trial: `statuses` says so."""
        parts = []
        for dataset in self.cells["dataset"].unique().to_pylist():
            cells = self.cells.filter(pc.equal(self.cells["dataset"], dataset))
            rows = [
                {
                    "dataset": dataset,
                    "model": f"always {one.name}",
                    "mean": one.value,
                    "measure": cells["measure"][0],
                    "n": 0,
                    "statuses": "no trial",
                }
                for one in self.baselines
                if one.dataset == dataset
            ]
            parts += [cells, pa.Table.from_pylist(rows, cells.schema)]
        return pa.concat_tables(parts) if parts else self.cells


def cell_table(paths: ResultsPaths, measure: str | None = None) -> CellTable:
    """The cells that the latest grid names. measure: in place of what the grid selects by.

    Raises UserError, DamagedResults.
    """
    tables, pictures = TablesRead(paths), KeptPictures(paths)
    ranked, left_out = board_of(paths, tables, pictures, measure)
    trials = tables.every_trial(["trial_id", "cell_id", "status"])
    baselines = tuple(majorities(ranked, trials, tables))
    ranked["rank"] = ranked["rank"].astype("Int64")
    notes = [f"left out, since no trial there has {measure}: {', '.join(left_out)}"] if left_out else []
    for dataset, cells in ranked.groupby("dataset", sort=False):
        broke = f"trials that diverged or failed count as {value}" if (value := counted_as(cells)) else ""
        if words := "; ".join(filter(None, (scope_of(cells), broke, _too_few(cells)))):
            notes.append(f"{dataset}: {words}")
    cells = pa.Table.from_pandas(ranked, preserve_index=False)
    return CellTable(cells, baselines, (*notes, *tables.damage, *pictures.damage))


def _too_few(cells: pd.DataFrame) -> str:
    """Where seeds tell too little, in words."""
    left, others = int(untold(cells).sum()), int((cells["n"] > 0).sum()) - 1
    if not left or cells["measure"].iloc[0].startswith("val_"):
        return ""
    return f"too few seeds to tell {left} of {counted(others, 'other')} from the first (no `ties`): {min_seeds(others)} may"
