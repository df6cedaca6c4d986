"""The leaderboards of a results directory as one table: `orch results RESULTS --cells`."""

from dataclasses import dataclass

import pyarrow as pa

from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.selection import SCORES
from orchestrator.results.ranked import COSTS, class_counts, counted_as, evaluating, ranked_cells, scope_of
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from trainables import AXES

_COLUMNS = ["trial_id", "cell_id", "purpose", "tuned", "planned", *AXES, "seed", "status", *SCORES, *COSTS]
USUAL = (*AXES, "tuned", "rank", "ties", "mean", "low", "high", "spread", "n", "statuses", "p", "validation", "measure")
"""Shown unless all columns are."""


@dataclass(frozen=True, slots=True)
class CellTable:
    """What is shown."""

    cells: pa.Table
    """A row for each cell: the columns of `Results.cells()`."""
    notes: tuple[str, ...]
    """What its figures are about, of each data set, and what is damaged."""


def cell_table(paths: ResultsPaths) -> CellTable:
    """The cells that the latest grid names. Raises UserError, DamagedResults."""
    tables, pictures = TablesRead(paths), KeptPictures(paths)
    trials = evaluating(tables.every_trial(_COLUMNS))
    ranked = ranked_cells(trials, class_counts(trials, tables), pictures)
    ranked["rank"] = ranked["rank"].astype("Int64")
    notes = []
    for dataset, cells in ranked.groupby("dataset", sort=False):
        broke = f"what diverged or failed counts as {value}" if (value := counted_as(cells)) else ""
        if words := "; ".join(filter(None, (scope_of(cells), broke))):
            notes.append(f"{dataset}: {words}")
    return CellTable(pa.Table.from_pandas(ranked, preserve_index=False), (*notes, *tables.damage, *pictures.damage))
