"""Which trial comes first in each data set: of the cell that the grid's selection puts first, the best on validation."""

from dataclasses import dataclass

import pandas as pd

from orchestrator.reports.cells import AXES, short_label
from orchestrator.reports.compared import SCORES, best_first, measure_of
from orchestrator.reports.ranked import COSTS, ranked_cells
from orchestrator.reports.reading import TablesRead
from orchestrator.store.paths import ResultsPaths

_COLUMNS = [
    *("trial_id", "cell_id", "purpose", "tuned", "planned", *AXES, "seed", "status", *SCORES, *COSTS),
]


@dataclass(frozen=True, slots=True)
class Winner:
    """Of one data set."""

    trial_id: str
    told: str


def read_winners(paths: ResultsPaths) -> tuple[Winner, ...]:
    """Raises UserError, DamagedResults."""
    every = TablesRead(paths).every_trial(_COLUMNS)
    trials = every[every["planned"].fillna(False).astype(bool) & (every["purpose"] != "tuning")]
    ranked = ranked_cells(trials)
    found = [_winner(trials, cells.iloc[0]) for _, cells in ranked.groupby("dataset", sort=False)]
    return tuple(winner for winner in found if winner is not None)


def _winner(trials: pd.DataFrame, first: "pd.Series[str]") -> Winner | None:
    """None where no trial was completed, since a cell without one stands last."""
    measure = measure_of(trials[trials["dataset"] == first["dataset"]])
    done = trials[(trials["cell_id"] == first["cell_id"]) & (trials["status"] == "completed")]
    if done.empty:
        return None
    best = best_first(done, measure.validation, measure).iloc[0]
    return Winner(str(best["trial_id"]), f"{first['dataset']}: {short_label(first)} comes first.")
