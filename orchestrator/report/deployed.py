"""What deployments make of trained nets: how much smaller, how much quicker, and what that costs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pandas as pd

from orchestrator.evidence.selection import Measure
from orchestrator.evidence.stats.leaderboard import mean_interval
from orchestrator.report.page_data import Column, DataTable, Field, alike_in, number
from orchestrator.store.frames import TablesRead
from trainables import AXES, NOTHING_MADE

ABOUT: Final = (
    "Nets that were made of the trained ones, each beside its parent: medians over seeds of size and speed, both over the"
    " parent's, and the mean difference of the scores with its 95 % interval over seeds, on these test pictures."
)
"""Said above the table."""
COLUMNS: Final = [
    "trial_id",
    *("parent_id", "size_ratio", "packed_ratio", "nonzero_share", "speedup", "batch_speedup", "agreement"),
]
_MEDIANS: Final = {
    "size_ratio": "size ×",
    "packed_ratio": "packed ×",
    "speedup": "speed ×",
    "batch_speedup": "speed of a batch ×",
    "agreement": "agreement",
    "nonzero_share": "nonzero",
}


def deployed(tables: TablesRead, trials: pd.DataFrame, measures: Mapping[str, Measure]) -> DataTable | None:
    """A row for each cell of variants, beside its parents: medians over seeds, and the mean difference of what the data set
    is compared by, with its interval over seeds. None where nothing was made of any net.
    """
    made = trials[(trials["deployment"] != NOTHING_MADE) & (trials["status"] == "completed")]
    if made.empty:
        return None
    measured = tables.every_trial(COLUMNS, [("trial_id", "in", list(made["trial_id"]))])
    rows = made.merge(measured, on="trial_id")
    varying, alike = alike_in({axis: list(rows[axis]) for axis in AXES})
    columns = (
        *(Column(axis, "text") for axis in varying),
        Column("difference to its parent", "interval"),
        *(Column(title, "number") for title in _MEDIANS.values()),
        Column("seeds", "count"),
    )
    return DataTable(columns, tuple(_rows(rows, trials, measures, varying)), alike=alike)


def _rows(
    rows: pd.DataFrame, trials: pd.DataFrame, measures: Mapping[str, Measure], varying: Sequence[str]
) -> Iterator[tuple[Field, ...]]:
    of_trial = trials.set_index("trial_id")
    for _, cell in rows.groupby([*AXES], sort=False):
        first = cell.iloc[0]
        shown = measures[str(first["dataset"])].shown
        differences = (cell[shown] - cell["parent_id"].map(of_trial[shown])).dropna()
        found = mean_interval(list(differences))
        medians = (number(cell[name].median()) for name in _MEDIANS)
        yield (
            *(str(first[axis]) for axis in varying),
            (number(found.mean), number(found.low), number(found.high)),
            *medians,
            len(cell),
        )
