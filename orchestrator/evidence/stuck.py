"""Runs that are stuck while the others of their cell train: a claim on scores is about runs that train.

Their scores are those of no answer at all: a mean with some of them in it is one of two kinds of runs, of which no test of
few seeds holds its level (docs/statistics.md). Where half of a cell's runs or more are stuck, that is what it does: their
scores count.
"""

from typing import Final

import pandas as pd

from orchestrator.grid.measures import Measure

STUCK: Final = "stuck"
"""Stands for `completed` in the counts of a claim that leaves such a run out."""
_HALF: Final = 0.5


def set_apart(on: Measure, trials: pd.DataFrame) -> pd.DataFrame:
    """The same trials; where the measure is a score, those that are stuck have that for a status. trials: of the table."""
    if not on.is_score or "stuck" not in trials:
        return trials
    completed = trials["status"] == "completed"
    stuck = completed & trials["stuck"].fillna(False).astype(bool)
    share = stuck.where(completed).astype("float64").groupby(trials["cell_id"]).transform("mean")
    return trials.assign(status=trials["status"].mask(stuck & (share < _HALF), STUCK))
