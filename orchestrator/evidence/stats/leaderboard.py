"""Cells of one data set, ranked, with intervals and ties."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.evidence.stats.design import NARROW, WIDE, Design, NoPictures
from orchestrator.evidence.stats.paired import holm
from orchestrator.evidence.stats.scope import Stratum, scoped_test
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
    withheld: str | None = None
    """Why it is about these pictures alone, where it is."""


def mean_interval(values: Sequence[float], confidence: float = 0.95, design: Design = NoPictures()) -> Interval:  # noqa: B008 - it is frozen
    """Student's interval of a mean, wider on the side to which skewed values are blind (Hall 1992, `stats.skew`).

    design: how the pictures of the values were come by; about pictures like these, or, where there are none or nothing tells
    what they bring, about the seeds alone. Of 3, 5, 10 and 20 normal values it holds the mean in 96 to 97 % of cases, of
    exponential ones in 93, 93, 95 and 96 % (`benchmarks/evidence_study.py`). Raises ValueError where a value is not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if not np.isfinite(sample).all():
        raise ValueError("a mean is of finite values; those that are not are told apart")
    if sample.size < 2:
        nan = float("nan")
        return Interval(float(sample[0]) if sample.size else nan, nan, nan, nan, sample.size)
    found = scoped_test([Stratum(sample, design)], 0.0, WIDE, confidence=confidence)
    spread = float(sample.std(ddof=1)) if np.ptp(sample) else 0.0
    return Interval(found.effect, found.low, found.high, spread, sample.size, found.withheld)


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
    "counted_as",
    "scope",
    "withheld",
    *BROKEN,
    "waiting",
)

MIN_PAIRS: Final = 3
"""Fewer cannot tell two cells apart: of scores that come in steps, two differences are equal too often."""


Designs = Callable[[Mapping[str, float], Sequence[int]], Design]
"""Of a weighted sum of cells, at these seeds, in their order: how its test pictures were come by. Cells are named by their
ids."""


def no_pictures(_: Mapping[str, float], __: Sequence[int]) -> Design:
    """Nothing is known of pictures, or there are none."""
    return NoPictures()


def leaderboard(
    trials: pd.DataFrame,
    *,
    measure: str,
    selection: str,
    higher_is_better: bool = True,
    chance: float | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    designs: Designs = no_pictures,
) -> pd.DataFrame:
    """Rank the cells of one data set, a row for each, the best first; those without a score stand last.

    Cells are ranked by the mean of `selection` (a validation measure), and shown with `measure` (a test measure): the
    test split chooses nothing. A trial that broke counts in means, in p and in the rank as `broken_value` has it, or who
    fails often and is good by chance where it does not would come first; `counted_as` has that value, where one did.
    chance: what answers that know nothing score in both measures. bounds: beyond these no score lies, nor any interval.

    Columns: `COLUMNS`; `low` and `high` of `mean_interval`, none where all values are equal: they do not say how
    far others would lie; `over_floor` for accuracies, of completed trials; `n`: completed trials; `selected_by`: the mean of
    `selection`; `p`: that of the cell against the first, on `measure`, seed by seed, about pictures like these after
    `designs` (the default: about these), corrected after Holm over the table, none below `MIN_PAIRS`, and none where it is
    withheld; `ties`: whether it is the first, or is not told from it by seeds that could: as many as decide one of as many
    claims (`min_seeds`). What fewer do not tell apart may be anything but alike: there it is missing. Neither does a cell
    tie of which trials broke. `scope`: what the interval is about, where there is one; `withheld`: why that is these
    pictures alone, and why there is no p.
    """
    if trials.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    floors = {
        name: broken_value(trials, name, higher_is_better=higher_is_better, chance=chance)
        for name in (measure, selection)
    }
    counted = trials.assign(**{name: with_broken(trials, name, floors[name]) for name in (measure, selection)})
    by_seed = counted.pivot_table(index="seed", columns="cell_id", values=measure, aggfunc="mean", sort=False)
    by_seed = by_seed.reindex(columns=counted["cell_id"].unique())
    values = dict(zip(map(str, by_seed.columns), by_seed.to_numpy(dtype=np.float64, na_value=np.nan).T, strict=True))
    seeds = by_seed.index.to_numpy()
    table = pd.DataFrame(
        _cell(cell, seeds, values[cell.cell_id], floors[measure], designs, bounds)
        for cell in _cells_of(trials, counted[selection], measure)
    )
    ranked = table["n"] > 0
    by = table["selected_by"].where(ranked)
    table["rank"] = by.rank(ascending=not higher_is_better, method="min")
    table = table.assign(_by=by).sort_values("_by", ascending=not higher_is_better, kind="stable", na_position="last")
    ranked = table["n"] > 0
    table["p"], table["ties"] = np.nan, pd.array([False] * len(table), dtype="boolean")
    if ranked.any():
        first = str(table["cell_id"].iloc[0])
        there = set(table.loc[ranked, "cell_id"]) - {first}
        others = [cell_id for cell_id in values if cell_id in there]  # in the order in which all are read
        pairs = {other: values[first] - values[other] for other in others}
        found = {other: _p(first, other, seeds, pairs[other], designs) for other in others}
        adjusted = dict(zip(others, holm([1.0 if p is None else p for p in found.values()]).tolist(), strict=True))
        table["p"] = table["cell_id"].map({other: adjusted[other] for other, p in found.items() if p is not None})
        enough = table["cell_id"].map({other: np.isfinite(pairs[other]).sum() for other in others}) >= min_seeds(
            max(1, len(others))
        )
        alike = enough & (table["p"] > ALPHA) & table["counted_as"].isna()
        ties = ranked & (alike | (table["cell_id"] == first))
        told = ties | (table["p"] <= ALPHA) | table["withheld"].notna() | table["counted_as"].notna()
        table["ties"] = ties.astype("boolean").mask(ranked & ~told)
    return table[list(COLUMNS)].reset_index(drop=True)


def rivals(board: pd.DataFrame) -> tuple[str, ...]:
    """Ids of the cells that may be the best: the first of a leaderboard, then all that are not told from it.

    The first is chosen among several for scores that luck is part of, so its mean is too high where validation and test
    share that luck (the winner's curse); these cells on fresh seeds give one that is not.
    """
    ranked = board[board["n"] > 0]
    return tuple(str(cell_id) for cell_id in ranked.loc[~(ranked["p"] <= ALPHA), "cell_id"])


def broken_value(trials: pd.DataFrame, measure: str, *, higher_is_better: bool, chance: float | None = None) -> float:
    """What a trial counts as that diverged or failed: chance, as that is all that a net gives which has learnt nothing.

    A loss has no end: of measures of which less is better it is the worst seen, where that is worse. Where chance is not
    known: 0 of a score between 0 and 1, else the worst seen.
    """
    seen = trials.loc[trials["status"] == "completed", measure].astype("float64")
    seen = seen[np.isfinite(seen)]
    if seen.empty:
        return float("nan")
    if chance is not None:
        return chance if higher_is_better else max(chance, float(seen.max()))
    if higher_is_better and seen.min() >= 0 and seen.max() <= 1:
        return 0.0
    return float(seen.min() if higher_is_better else seen.max())


def with_broken(trials: pd.DataFrame, measure: str, floor: float) -> "pd.Series[float]":
    """The values of completed trials, and of those that broke `floor`; none of the others."""
    values = trials[measure].astype("float64").where(trials["status"] == "completed")
    return values.mask(trials["status"].isin(BROKEN) | np.isinf(values), floor)


class _Cell(NamedTuple):
    """The trials of a cell."""

    cell_id: str
    statuses: list[str]
    scores: NDArray[np.float64]
    """Of completed trials that have one."""
    test_size: int
    """Of an accuracy, the test examples of the first of these that tells; else 0."""
    selection: NDArray[np.float64]
    """Of completed trials, and what those count as that broke."""


def _cells_of(trials: pd.DataFrame, selection: "pd.Series[float]", measure: str) -> Iterator[_Cell]:
    """Cells in their order, from arrays of all trials: thousands of tables of their own would take seconds."""
    statuses = trials["status"].to_numpy(dtype=object)
    scores, selected = (column.to_numpy(dtype=np.float64, na_value=np.nan) for column in (trials[measure], selection))
    sized = measure == "test_accuracy" and "test_size" in trials
    sizes = trials["test_size"].to_numpy(dtype=np.float64, na_value=np.nan) if sized else np.full(len(trials), np.nan)
    is_done = (statuses == "completed") & ~np.isnan(scores)
    for cell_id, places in trials.groupby("cell_id", sort=False).indices.items():
        rows = np.asarray(places)
        done = rows[is_done[rows]]
        known = sizes[done][~np.isnan(sizes[done])]
        there = selected[rows][~np.isnan(selected[rows])]
        size = int(known[0]) if len(known) else 0
        yield _Cell(str(cell_id), list(statuses[rows]), np.asarray(scores[done]), size, np.asarray(there))


def _cell(
    cell: _Cell,
    seeds: NDArray[np.int64],
    values: NDArray[np.float64],
    floor: float,
    designs: Designs,
    bounds: tuple[float, float],
) -> dict[str, object]:
    """values: of the measure, by seed; not a number where the cell has no trial that counts."""
    n = len(cell.scores)
    there = np.flatnonzero(~np.isnan(values)) if n else np.array([], dtype=np.int64)
    # of one value there is no interval, and nobody has to look for what its pictures bring
    design = designs({cell.cell_id: 1.0}, seeds[there].tolist()) if len(there) > 1 else NoPictures()
    found = mean_interval(values[there].tolist(), design=design)
    equal = found.low == found.high
    low, high = (np.nan, np.nan) if equal else np.clip([found.low, found.high], *bounds).tolist()
    counts = Counter(cell.statuses)
    return {
        "cell_id": cell.cell_id,
        "mean": found.mean,
        "low": low,
        "high": high,
        "spread": found.spread,
        "over_floor": over_floor(cell.scores.tolist(), cell.test_size),
        "n": n,
        "selected_by": float(cell.selection.mean()) if n and len(cell.selection) else float("nan"),
        "counted_as": floor if any(counts[status] for status in BROKEN) and n else float("nan"),
        "scope": None if np.isnan(low) else NARROW if found.withheld else WIDE,
        "withheld": found.withheld,
        **{status: counts[status] for status in BROKEN},
        "waiting": still_to_run(counts),
    }


def _p(
    first: str, other: str, seeds: NDArray[np.int64], differences: NDArray[np.float64], designs: Designs
) -> float | None:
    """None where too few seeds are there, or it is withheld. differences: not a number where one of the two lacks.

    p may be smaller than signs alone allow: a few seeds would tell no cell of a long table from another.
    """
    there = ~np.isnan(differences)
    if np.count_nonzero(there) < MIN_PAIRS:
        return None
    design = designs({first: 1.0, other: -1.0}, seeds[there].tolist())
    found = scoped_test([Stratum(differences[there], design)], 0.0, WIDE, signs=False)
    return None if found.withheld else found.p
