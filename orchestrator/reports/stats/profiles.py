"""Time to a target, and performance profiles."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

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
