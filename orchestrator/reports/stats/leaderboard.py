"""Cells of one data set, ranked, with intervals and ties."""

from typing import Final

import numpy as np
import pandas as pd

from orchestrator.reports.stats.floor import over_floor
from orchestrator.reports.stats.holm import holm
from orchestrator.reports.stats.intervals import mean_interval
from orchestrator.reports.stats.paired import paired

ALPHA: Final = 0.05
BROKEN: Final = ("diverged", "failed", "timed_out", "out_of_memory")
COLUMNS: Final = (
    "cell_id",
    "rank",
    "mean",
    "low",
    "high",
    "spread",
    "over_floor",
    "n",
    "ties",
    "p",
    "selected_by",
    *BROKEN,
    "waiting",
)

LEAST_PAIRS: Final = 3
"""Fewer cannot tell two cells apart: of scores that come in steps, two differences are equal too often."""


def leaderboard(
    trials: pd.DataFrame, *, measure: str, selection: str, higher_is_better: bool = True, resamples: int = 2_000
) -> pd.DataFrame:
    """One row for each cell of trials of one data set, the best first; those that broke stand last, and are counted.

    Cells are ranked by the mean of `selection` (a validation measure), and shown with `measure` (a test measure): the
    test split chooses nothing. Columns: `COLUMNS`; `low` and `high` of `mean_interval`; `over_floor` of `stats.floor`
    for accuracies; `selected_by`: the mean of `selection`; `p`: that of the cell against the first, on `measure`,
    seed by seed (Student's test, since a few seeds give a sign-flip test no power over a family), corrected after
    Holm over the table; `ties`: whether it cannot be told from the first, or is the first. One seed tells nothing
    apart: all tie. Ranks are by completed trials; a cell of which some trials broke is ranked by the others, with the
    count beside it.
    """
    rows = [
        _cell(str(cell_id), part, measure, selection, resamples)
        for cell_id, part in trials.groupby("cell_id", sort=False)
    ]
    table = pd.DataFrame(rows)
    if table.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    table = table.sort_values("selected_by", ascending=not higher_is_better, kind="stable", na_position="last")
    table["rank"] = table["selected_by"].rank(ascending=not higher_is_better, method="min")
    ranked = table["n"] > 0
    table["p"], table["ties"] = np.nan, False
    if ranked.any():
        first = str(table["cell_id"].iloc[0])
        others = [str(cell_id) for cell_id in table.loc[ranked, "cell_id"] if cell_id != first]
        by_seed = _by_seed(trials, measure)
        told = holm([_against(by_seed, first, other) for other in others])
        corrected = dict(zip(others, told.tolist(), strict=True))
        table["p"] = table["cell_id"].map(corrected)
        table["ties"] = ranked & ~(table["p"] <= ALPHA)
    return table[list(COLUMNS)].reset_index(drop=True)


def _cell(cell_id: str, part: pd.DataFrame, measure: str, selection: str, resamples: int) -> dict[str, object]:
    done = part[part["status"] == "completed"]
    values = done[measure].astype("float64").dropna()
    finite = values[np.isfinite(values)]
    found = mean_interval(finite.to_list(), resamples=resamples)
    sizes = done["test_size"].dropna() if "accuracy" in measure and "test_size" in done else pd.Series(dtype="float64")
    counts = part["status"].value_counts()
    return {
        "cell_id": cell_id,
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "spread": found.spread,
        "over_floor": over_floor(finite.to_list(), int(sizes.iloc[0])) if len(sizes) else float("nan"),
        "n": found.n,
        "selected_by": float(done[selection].astype("float64").mean()) if len(done) else float("nan"),
        **{status: int(counts.get(status, 0)) for status in BROKEN},
        "waiting": int(sum(counts.get(status, 0) for status in ("pending", "running", "cancelled"))),
    }


def _by_seed(trials: pd.DataFrame, measure: str) -> pd.DataFrame:
    done = trials[trials["status"] == "completed"]
    scores = done.assign(**{measure: done[measure].where(np.isfinite(done[measure].astype("float64")))})
    return scores.pivot_table(index="seed", columns="cell_id", values=measure, aggfunc="mean", sort=False)


def _against(by_seed: pd.DataFrame, first: str, other: str) -> float:
    if first not in by_seed or other not in by_seed:
        return 1.0
    differences = (by_seed[first] - by_seed[other]).dropna().to_numpy()
    return paired(differences, method="t").p if len(differences) >= LEAST_PAIRS else 1.0
