"""Many arms over many data sets: average ranks, and which of them can be told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

# Time to a target, and performance profiles.

Clock = Literal["seconds", "epochs"]


def time_to_target(
    epochs: pd.DataFrame,
    target: float,
    *,
    measure: str = "val_accuracy",
    higher_is_better: bool = True,
    clock: Clock = "seconds",
) -> "pd.Series[float]":
    """When a trial first reaches the target, by trial_id: seconds of training, or epochs; infinite where it never does.

    epochs: columns trial_id, epoch, seconds (of that epoch's training: evaluation is not timed) and the measure,
    which is looked at after each epoch. Dahl et al., "Benchmarking Neural Network Training Algorithms" (AlgoPerf,
    2023), section 4: a run that misses the target took for ever. A trial without any epoch is not in the result.
    """
    ordered = epochs.sort_values(["trial_id", "epoch"], kind="stable")
    spent = ordered.groupby("trial_id", sort=False)["seconds"].cumsum() if clock == "seconds" else ordered["epoch"]
    values = ordered[measure].astype("float64")
    there = values >= target if higher_is_better else values <= target
    times = spent.astype("float64").where(there, np.inf)
    return times.groupby(ordered["trial_id"], sort=True).min()


def performance_profile(times: pd.DataFrame, ratios: Sequence[float]) -> pd.DataFrame:
    """Share of workloads on which an arm is within a factor of the best: a column for each arm, a row for each ratio
    (>= 1).

    times: rows workloads (a data set, a model on it), columns arms; infinite where the target was missed. A workload
    that no arm solves counts for nobody. Dolan and More, "Benchmarking Optimization Software with Performance
    Profiles", Mathematical Programming 91 (2002), section 2. Raises ValueError where a time is missing or not
    positive.
    """
    values = times.to_numpy(dtype=np.float64)
    if np.isnan(values).any() or (values <= 0).any():
        raise ValueError("a performance profile is of positive times; a miss is infinite")
    best = values.min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        slower = np.where(np.isfinite(values), values / best, np.nan)  # no factor makes a miss a hit
    shares = [
        (slower <= ratio * (1 + 1e-12)).mean(axis=0) if len(slower) else np.zeros(times.shape[1]) for ratio in ratios
    ]
    return pd.DataFrame(shares, index=pd.Index(ratios, name="ratio"), columns=times.columns)


MIN_BLOCKS: Final = 5
"""Data sets below which average ranks are not compared: Friedman's statistic is near its distribution from more than ten on,
and needs exact tables below (Demsar 2006, section 3.2.2); two or three data sets are no sample of anything."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Arms in the order of their average ranks, the best first."""

    average: "pd.Series[float]"
    """By arm; 1 is the best."""
    blocks: int
    """Data sets over which it was averaged."""
    p: float
    """Friedman's, of all arms being alike."""
    critical_difference: float
    """Average ranks that are further apart differ (Nemenyi)."""
    p_values: pd.DataFrame
    """Nemenyi's, arm by arm."""
    groups: tuple[tuple[str, ...], ...]
    """The largest sets of neighbours that cannot be told apart: the bars of a critical-difference diagram."""


def ranks(scores: pd.DataFrame, *, higher_is_better: bool = True, alpha: float = 0.05) -> Ranks:
    """Rank arms (columns) within each block (row: a data set of a content of its own), and compare average ranks.

    Seeds of one data set, and variants of one content, are no blocks: they agree on what holds for that content alone, so
    that over two data sets of ten seeds some pair "differs" in most worlds where none does over data sets. A block's score
    is their mean.

    Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7 (2006), sections 3.2.2 and 3.2.4.
    Ties share their ranks. Raises ValueError below three arms or `MIN_BLOCKS` blocks (two arms are compared in pairs:
    `scope`), and where a score is missing.
    """
    blocks, arms = scores.shape
    if arms < 3 or blocks < MIN_BLOCKS:
        raise ValueError(f"ranks need three arms and {MIN_BLOCKS} blocks; there are {arms} and {blocks}")
    if scores.isna().any(axis=None):
        raise ValueError("ranks need a score of each arm in each block; leave out what was not completed, and say so")
    from scipy.stats import friedmanchisquare, studentized_range

    with np.errstate(invalid="ignore"):  # all arms alike in all blocks: no statistic
        p = float(friedmanchisquare(*(scores[arm].to_numpy() for arm in scores)).pvalue)
    average = scores.rank(axis=1, ascending=not higher_is_better).mean().sort_values(kind="stable")
    unit = float(np.sqrt(arms * (arms + 1) / (12 * blocks)))  # in which differences are studentized
    reach = float(studentized_range.ppf(1 - alpha, arms, np.inf)) * unit
    apart = np.abs(np.subtract.outer(average.to_numpy(), average.to_numpy())) / unit
    p_values = np.asarray(studentized_range.sf(apart, arms, np.inf))
    np.fill_diagonal(p_values, 1.0)
    return Ranks(
        average=average,
        blocks=blocks,
        p=1.0 if np.isnan(p) else p,
        critical_difference=reach,
        p_values=pd.DataFrame(p_values, index=average.index, columns=average.index),
        groups=_groups(average, reach),
    )


def _groups(average: "pd.Series[float]", reach: float) -> tuple[tuple[str, ...], ...]:
    names, values = [str(name) for name in average.index], average.to_numpy()
    found: list[tuple[int, int]] = []
    for first in range(len(values)):
        last = int(np.searchsorted(values, values[first] + reach, side="left")) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(tuple(names[first : last + 1]) for first, last in found)
