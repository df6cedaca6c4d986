"""The leaderboard of a results directory, by what its grid selects by or by another measure."""

from typing import Final

import pandas as pd

from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.selection import SCORES
from orchestrator.results.asked import asked_columns, measures_asked
from orchestrator.results.ranked import COSTS, class_counts, evaluating, ranked_cells
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from trainables import AXES

_COLUMNS: Final = ["trial_id", "cell_id", "purpose", "tuned", "planned", *AXES, "seed", "status", *SCORES, *COSTS]


def board_of(
    paths: ResultsPaths, tables: TablesRead, pictures: KeptPictures, measure: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """The columns of `ranked_cells` for each cell, and the data sets that are left out: no trial there has the measure."""
    wanted = [] if measure is None else asked_columns(measure)
    trials = evaluating(tables.every_trial([*_COLUMNS, *wanted]))
    measures = None if measure is None else measures_asked(trials, measure, paths)
    left_out = [] if measures is None else [name for name in trials["dataset"].unique() if name not in measures]
    trials = trials[~trials["dataset"].isin(left_out)]
    return ranked_cells(trials, class_counts(trials, tables), pictures, measures), left_out
