"""Cells of one data set, ranked, with intervals and ties."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.evidence.stats.paired import holm, paired
from orchestrator.grid.claims import ALPHA, min_seeds
from results_schema import BROKEN, still_to_run

# The spread of a cell's accuracies beside what its test set alone would make of them.


def over_floor(accuracies: Sequence[float], test_size: int) -> float:
    """Standard deviation over seeds, divided by that of drawing `test_size` examples: sqrt(p (1 - p) / test_size).

    A healthy cell sits near 1, below it where all seeds share their test examples; a large value is instability of
    training, not noise of the test set (Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks",
    MLSys 2021, section 3). Not a number below two accuracies, where all are 0 or all are 1, and of no examples.
    """
    values = np.asarray(accuracies, dtype=np.float64)
    if values.size < 2 or test_size < 1:
        return float("nan")
    share = float(values.mean())
    floor = float(np.sqrt(share * (1 - share) / test_size))
    return float(values.std(ddof=1)) / floor if floor > 0 else float("nan")


# A mean over seeds, and how sure it is.

MIN: Final = 3
"""The bootstrap of two values is no more than the two: it holds the mean in about half of all cases."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float
    """Not a number below `MIN` values, as `low`."""
    spread: float
    """Standard deviation of the sample; not a number below two values."""
    n: int


def mean_interval(values: Sequence[float], confidence: float = 0.95, resamples: int = 9_999, seed: int = 0) -> Interval:
    """The bias-corrected and accelerated bootstrap interval (BCa) of a mean.

    Efron, "Better Bootstrap Confidence Intervals", JASA 82 (1987), by scipy. Few seeds make it too short: at five
    normal values it holds the mean in about 85 % of cases in place of 95 %. Raises ValueError where a value is not
    finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if not np.isfinite(sample).all():
        raise ValueError("a mean is of finite values; those that are not are told apart")
    if not sample.size:
        return Interval(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, float("nan"), float("nan"), float("nan"), 1)
    spread = float(sample.std(ddof=1))
    if sample.size < MIN:
        return Interval(mean, float("nan"), float("nan"), spread, sample.size)
    if np.ptp(sample) == 0:
        return Interval(mean, mean, mean, 0.0, sample.size)
    from scipy.stats import bootstrap

    found = bootstrap(
        (sample,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), spread, sample.size)


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

MIN_PAIRS: Final = 3
"""Fewer cannot tell two cells apart: of scores that come in steps, two differences are equal too often."""


def leaderboard(
    trials: pd.DataFrame, *, measure: str, selection: str, higher_is_better: bool = True, resamples: int = 2_000
) -> pd.DataFrame:
    """Rank the cells of one data set, a row for each, the best first; those that broke stand last, and are counted.

    Cells are ranked by the mean of `selection` (a validation measure), and shown with `measure` (a test measure): the
    test split chooses nothing. Columns: `COLUMNS`; `low` and `high` of `mean_interval`; `over_floor` of `stats.floor`
    for accuracies; `selected_by`: the mean of `selection`; `p`: that of the cell against the first, on `measure`,
    seed by seed (Student's test, since a few seeds give a sign-flip test no power over a family), corrected after
    Holm over the table, none below `MIN_PAIRS`; `ties`: whether it is the first, or is not told from it by seeds that
    could: as many as decide one of as many claims (`min_seeds`). What fewer do not tell apart may be anything but
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
        adjusted = holm([_p(differences[other]) for other in others])
        pairs = table["cell_id"].map({other: len(differences[other]) for other in others})
        corrected = table["cell_id"].map(dict(zip(others, adjusted.tolist(), strict=True)))
        table["p"] = corrected.where(pairs >= MIN_PAIRS)
        alike = (pairs >= min_seeds(max(1, len(others)))) & ~(table["p"] <= ALPHA)
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
    counts = Counter(part["status"])
    return {
        "cell_id": cell_id,
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "spread": found.spread,
        "over_floor": over_floor(finite.to_list(), int(sizes.iloc[0])) if len(sizes) else float("nan"),
        "n": found.n,
        "selected_by": float(done[selection].astype("float64").mean()) if len(done) else float("nan"),
        **{status: counts[status] for status in BROKEN},
        "waiting": still_to_run(counts),
    }


def _differences(
    trials: pd.DataFrame, measure: str, first: str, others: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Return the differences of the first to each other cell, over the seeds that both have."""
    done = trials[trials["status"] == "completed"]
    scores = done.assign(**{measure: done[measure].where(np.isfinite(done[measure].astype("float64")))})
    by_seed = scores.pivot_table(index="seed", columns="cell_id", values=measure, aggfunc="mean", sort=False)
    by_seed = by_seed.reindex(columns=[first, *others])
    return {other: (by_seed[first] - by_seed[other]).dropna().to_numpy(np.float64) for other in others}


def _p(differences: NDArray[np.float64]) -> float:
    return paired(differences, method="t").p if len(differences) >= MIN_PAIRS else 1.0
