"""Which level of an axis reaches a target sooner, over everything that it was run with."""

from collections.abc import Sequence

import pandas as pd

from orchestrator.claims.measured import COMPLETED, DIVERGED, measured
from orchestrator.grid import measures
from orchestrator.reports.cells import AXES
from orchestrator.reports.stats.profiles import performance_profile


def speed_profile(
    trials: pd.DataFrame, epochs: pd.DataFrame, axis: str, on: measures.Measure, ratios: Sequence[float]
) -> pd.DataFrame:
    """Share of workloads on which a level of the axis is within a factor of the quickest: a column for each level.

    trials, epochs: of the tables. A workload is a combination of the other axes' levels; a level's time on it is the
    median over seeds, infinite where half of them never get there (Dahl et al. 2023, section 4). Workloads that some
    level was not run on are left out.
    """
    ended = trials[trials["status"].isin([COMPLETED, DIVERGED])]
    timed = ended.assign(time=measured(on, ended, epochs).to_numpy())
    others = [other for other in AXES if other != axis]
    times = timed.groupby([*others, axis])["time"].median().unstack(axis).dropna()
    return performance_profile(times, ratios)
