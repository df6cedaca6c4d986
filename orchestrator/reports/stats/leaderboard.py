"""Cells of one data set, ranked, with intervals and ties."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.grid.claims import ALPHA, least_seeds
from orchestrator.reports.stats.floor import over_floor
from orchestrator.reports.stats.holm import holm
from orchestrator.reports.stats.intervals import mean_interval
from orchestrator.reports.stats.paired import paired

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
    Holm over the table, none below `LEAST_PAIRS`; `ties`: whether it is the first, or is not told from it by seeds that
    could: as many as decide one of as many claims (`least_seeds`). What fewer do not tell apart may be anything but
    alike, and ties with nothing. Ranks are by completed trials; a cell of which some trials broke is ranked by the
    others, with the count beside it.
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
        differences = _differences(trials, measure, first, others)
        told = holm([_p(differences[other]) for other in others])
        pairs = table["cell_id"].map({other: len(differences[other]) for other in others})
        corrected = table["cell_id"].map(dict(zip(others, told.tolist(), strict=True)))
        table["p"] = corrected.where(pairs >= LEAST_PAIRS)
        alike = (pairs >= least_seeds(max(1, len(others)))) & ~(table["p"] <= ALPHA)
        table["ties"] = ranked & (alike | (table["cell_id"] == first))
    return table[list(COLUMNS)].reset_index(drop=True)


def _cell(cell_id: str, part: pd.DataFrame, measure: str, selection: str, resamples: int) -> dict[str, object]:
    done = part[part["status"] == "completed"]
    values = done[measure].astype("float64").dropna()
    finite = values[np.isfinite(values)]
    found = mean_interval(finite.to_list(), resamples=resamples)
    sizes = (
        done["test_size"].dropna() if measure == "test_accuracy" and "test_size" in done else pd.Series(dtype="float64")
    )
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


def _differences(
    trials: pd.DataFrame, measure: str, first: str, others: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Of the first to each other cell, over the seeds that both have."""
    done = trials[trials["status"] == "completed"]
    scores = done.assign(**{measure: done[measure].where(np.isfinite(done[measure].astype("float64")))})
    by_seed = scores.pivot_table(index="seed", columns="cell_id", values=measure, aggfunc="mean", sort=False)
    by_seed = by_seed.reindex(columns=[first, *others])
    return {other: (by_seed[first] - by_seed[other]).dropna().to_numpy(np.float64) for other in others}


def _p(differences: NDArray[np.float64]) -> float:
    return paired(differences, method="t").p if len(differences) >= LEAST_PAIRS else 1.0
