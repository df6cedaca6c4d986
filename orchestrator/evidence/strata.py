"""From the trials of a claim to strata: pools of pictures, and how those that a measure reads were come by.

Data sets with one fingerprint are variants of one pool, whose pictures they share: they are one stratum, not several.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.evidence.stats.design import (
    PREDICTIONS,
    Design,
    FixedPictures,
    Folds,
    NoPictures,
    RedrawnPictures,
    largest_variance,
)
from orchestrator.evidence.stats.paired import ROUNDING
from orchestrator.evidence.stats.scope import Stratum
from orchestrator.grid.measures import Measure

Brought = Iterator[tuple[str, NDArray[np.float32]]]
Contributions = Callable[[Measure, Sequence[str]], Brought | str]
"""Of trials that were tested on the same pictures, each one's id with what each picture brings to the measure,
(pictures,), whose mean is the measure; or why that is not known of all of them."""


def unknown(_: Measure, __: Sequence[str]) -> str:
    """No predictions are kept."""
    return PREDICTIONS


_ALIKE: Final = 0.02
"""By so much a share of a split that is drawn class by class may be off."""


@dataclass(frozen=True)
class Trials:
    """The trials of the blocks that count."""

    rows: pd.DataFrame
    """A row for each trial and term: columns of `trials`, and `term`, `block` and `unit` (numbers) and `value`."""
    paired_by_seed: bool
    """Whether data sets are compared, so that a seed of all of them is one unit."""
    on: Measure
    contributions: Contributions

    def strata(self, weights: Sequence[float], bound: float = 0.0) -> tuple[Stratum, ...]:
        """Return the contrast with these weights of the terms, seed by seed; what differs from `bound` by rounding is it.

        None where no trial counts.
        """
        if self.rows.empty:
            return ()
        weighed = self._weighed(np.asarray(weights, dtype=np.float64))
        pools = list(weighed.groupby("data_fingerprint", sort=False))
        if self.on.form == "time" and self.paired_by_seed:
            pools = [("", weighed)]  # which of two times is the shorter is no sum over pools
        apart = self.paired_by_seed and len(pools) > 1
        by_seed = [self._by_seed(rows, None if apart else bound) for _, rows in pools]
        total = sum(map(len, by_seed))
        return tuple(
            Stratum(
                np.asarray(values, dtype=np.float64),
                self._design(rows, values.index),
                1.0 if apart else len(values) / total,
            )
            for (_, rows), values in zip(pools, by_seed, strict=True)
        )

    def among(self, chosen: "pd.Series[bool]") -> "Trials":
        """Return those of some blocks."""
        return Trials(self.rows[chosen], self.paired_by_seed, self.on, self.contributions)

    def _weighed(self, weights: NDArray[np.float64]) -> pd.DataFrame:
        """With how much of each trial makes the value of its unit."""
        rows = self.rows.assign(weight=weights[self.rows["term"]])
        rows = rows[rows["weight"] != 0]
        trials = rows.groupby(["block", "term"])["value"].transform("size")
        blocks = rows.groupby("unit")["block"].transform("nunique")
        return rows.assign(part=rows["weight"] / trials / blocks)

    def _by_seed(self, rows: pd.DataFrame, bound: float | None) -> "pd.Series[float]":
        """The contrast by seed, in the order of seeds."""
        if self.on.form == "time":
            return _ahead(rows)
        parts = rows.assign(part=rows["part"] * rows["value"], size=(rows["part"] * rows["value"]).abs())
        sums = parts.groupby("seed")[["part", "size"]].sum()
        if bound is None:
            return sums["part"]
        # what rounding makes of values that are equal, or as far apart as the claim says, decides nothing
        equal = (sums["part"] - bound).abs() <= ROUNDING * (sums["size"] + abs(bound))
        return sums["part"].mask(equal, bound)

    def _design(self, rows: pd.DataFrame, seeds: pd.Index) -> Design:
        found = drawn(rows, self.on)
        if found is not None:
            return found
        contrast = self._contrast(rows, seeds)
        if isinstance(contrast, str):
            return FixedPictures(largest=self._largest(rows), lacking=contrast)
        return FixedPictures(contrast)

    def _contrast(self, rows: pd.DataFrame, seeds: pd.Index) -> NDArray[np.float64] | str:
        """(seeds, pictures), or why it is not known."""
        brought = self.contributions(self.on, list(rows["trial_id"].unique()))
        if isinstance(brought, str):
            return brought
        places = seeds.get_indexer(pd.Index(rows["seed"]))
        of_trial = dict(zip(rows["trial_id"], zip(places, rows["part"], strict=True), strict=True))
        contrast: NDArray[np.float64] | None = None
        for trial, values in brought:
            contrast = np.zeros((len(seeds), values.size)) if contrast is None else contrast
            place, part = of_trial[trial]
            contrast[place] += part * values
        return PREDICTIONS if contrast is None else contrast

    def _largest(self, rows: pd.DataFrame) -> float | None:
        if self.on.name != "test_accuracy" or rows["test_size"].isna().any():
            return None
        arms = rows.assign(part=rows["part"] / rows["seed"].nunique()).groupby("term")
        weights, accuracies = arms["part"].sum().to_numpy(), arms["value"].mean().to_numpy()
        return largest_variance(weights, accuracies, int(rows["test_size"].min()))


def drawn(rows: pd.DataFrame, on: Measure) -> Design | None:
    """Return how the pictures were come by that a measure reads; None of test pictures that all seeds share.

    rows: of `trials`, of one pool of pictures.
    """
    if not on.reads_test:  # what is validated on is a part of what is not tested, which each seed draws anew
        return RedrawnPictures(_ratio(rows, "val_size")) if on.column.startswith("val_") else NoPictures()
    of_each = rows.groupby(["dataset_config", "protocol_config"], sort=False).head(1)
    designs = {split_design(row) for _, row in of_each.iterrows()}
    if designs & {"official", "fixed"} or _share_a_split(rows):
        return None
    if "redrawn" in designs:
        return RedrawnPictures(_ratio(rows, "test_size"))
    return Folds(min(_config(text)["folds"] for text in rows["dataset_config"].unique()))


def _share_a_split(rows: pd.DataFrame) -> bool:
    """Whether all seeds divide the data alike, where a grid's seeds do not vary the split."""
    varied = rows["varied"].dropna().unique()
    return any("split" not in str(sources).split(",") for sources in varied)


def _ahead(rows: pd.DataFrame) -> "pd.Series[float]":
    """By seed, the share of blocks in which the first time is the shorter, less that in which it is the longer."""
    times = rows.pivot_table(index=["seed", "block"], columns="term", values="value", aggfunc="mean", dropna=False)
    first, than = times[0], times[1]
    sign = -float(np.sign(rows.loc[rows["term"] == 0, "weight"].iloc[0]))
    with np.errstate(invalid="ignore"):  # two infinite times are equal
        ahead = np.where(first == than, 0.0, np.sign(than - first))
    return pd.Series(ahead * sign, index=times.index).groupby(level="seed").mean()


def _ratio(rows: pd.DataFrame, tested: str) -> float:
    """Pictures that are measured over those that are trained on or could have been: the greatest of the pool's variants."""
    left = rows["train_size"].astype("float64") + rows["unlabelled_size"].astype("float64").fillna(0.0)
    return float((rows[tested].astype("float64") / left).max())


# How the test pictures of a trial were come by.


def split_design(row: "pd.Series[Any]") -> str:
    """`official`, `fixed`, `redrawn` or `fold`. row: of `trials`; where an older orch wrote it, by its configurations.

    There an official test split is told from one that is drawn by its size: a drawn one holds the share that was asked for.
    """
    if isinstance(row["split_design"], str):
        return row["split_design"]
    splits = _config(row["protocol_config"]).get("splits", {})
    if _config(row["dataset_config"]).get("folds") is not None:
        return "fold"
    if splits.get("test_seed") is not None:
        return "fixed"
    test, validation = row["test_size"], row["val_size"]
    known = test == test and validation == validation and "test" in splits  # not missing
    if known and _alike(validation / test, splits["validation"] / splits["test"]):
        whole = test + validation + row["train_size"] + (row["unlabelled_size"] or 0)
        if _alike(test / whole, splits["test"]) or _config(row["dataset_config"]).get("imbalance", 1) < 1:
            return "redrawn"
    return "official"


def _alike(found: float, asked: float) -> bool:
    return abs(found - asked) <= _ALIKE * asked


def _config(text: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(text)
    return read
