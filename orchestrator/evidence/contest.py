"""Cells of one data set against one another, on seeds that they share: what is left of a leaderboard on fresh seeds."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from orchestrator.evidence.pairing import numbered
from orchestrator.evidence.stats.scope import Stratum
from orchestrator.evidence.strata import Brought, Contributions, Trials
from orchestrator.grid.measures import Measure

_OF_A_SPLIT: Final = ["split_design", "train_size", "val_size", "test_size", "unlabelled_size", "data_fingerprint"]
"""Columns of `trials` that a trial which broke has not."""


def strata_of(
    weights: Mapping[str, float],
    trials: pd.DataFrame,
    values: "pd.Series[float]",
    on: Measure,
    contributions: Contributions,
) -> tuple[Stratum, ...]:
    """Return the weighted sum of cells, by seed; where tuning was repeated, by repetition. None without a seed of all.

    weights: by cell id. trials: of one data set. values: of the measure `on`; of those that broke what they count as, which
    each test picture brings then.
    """
    rows = trials.assign(value=values)
    rows = rows[rows["cell_id"].isin(weights.keys()) & rows["value"].notna()]
    cells = rows.groupby("seed")["cell_id"].transform("nunique")
    rows = rows[cells == len(weights)]
    if rows.empty:
        return ()
    done = rows[rows["status"] == "completed"]
    if done.empty:
        return ()
    broken = rows["status"] != "completed"
    floors = dict(zip(rows["trial_id"][broken], rows["value"][broken].astype(float), strict=True))
    for column in _OF_A_SPLIT:
        rows[column] = rows[column].where(~broken, done[column].iloc[0])
    terms = {cell_id: number for number, cell_id in enumerate(weights)}
    counted = numbered(rows.assign(term=rows["cell_id"].map(terms)), ["data_fingerprint", "seed"], ["seed"])
    found = Trials(counted, paired_by_seed=False, on=on, contributions=_with_broken(contributions, floors))
    return found.strata(list(weights.values()))


def _with_broken(contributions: Contributions, floors: Mapping[str, float]) -> Contributions:
    """floors: of the trials that broke, what they count as, by id."""

    def brought(on: Measure, trial_ids: Sequence[str]) -> Brought | str:
        found = contributions(on, [trial_id for trial_id in trial_ids if trial_id not in floors])
        return (
            found if isinstance(found, str) else _and_broken(found, [one for one in trial_ids if one in floors], floors)
        )

    return brought


def _and_broken(found: Brought, broken: Sequence[str], floors: Mapping[str, float]) -> Brought:
    pictures = 0
    for trial_id, values in found:
        pictures = values.size
        yield trial_id, values
    yield from ((trial_id, np.full(pictures, floors[trial_id], np.float32)) for trial_id in broken)
