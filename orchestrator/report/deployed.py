"""What deployments make of trained nets: how much smaller, how much quicker, and what that costs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pandas as pd

from orchestrator.evidence.selection import Measure
from orchestrator.evidence.stats.leaderboard import mean_interval
from orchestrator.grid.measures import is_higher_better, unit_of
from orchestrator.report.page_data import Column, DataTable, Field, alike_in, number
from orchestrator.store.frames import TablesRead
from trainables import AXES, NOTHING_MADE

_MARGIN: Final = 0.01
"""Of a share by which a variant may be worse than its parent, and still counts as no worse."""
ABOUT: Final = (
    "Nets that were made of the trained ones, each beside its parent: medians over seeds of size and speed, both over the"
    " parent's, and the mean difference of the scores with its 95 % interval over seeds, on these test pictures. A variant"
    " is at most a point worse where the whole interval is, and open where only a part of it is."
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
        Column("at most a point worse", "text"),
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
            _no_worse(shown, found.low, found.high),
            *medians,
            len(cell),
        )


def _no_worse(column: str, low: float, high: float) -> str:
    """Whether the differences of a column between these ends are at most a point for the worse; nothing of what is no share.

    low, high: not a number where too few seeds are there to tell.
    """
    if unit_of(column) != "1":
        return ""
    if not is_higher_better(column):
        low, high = -high, -low
    if low >= -_MARGIN:
        return "yes"
    return "no" if high < -_MARGIN else "open"
