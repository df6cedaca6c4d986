"""A claim as a weighted sum of arms, and its value in each unit: a seed of a data set.

Trials are compared within a block: the same seed and the same level of every axis that the claim does not compare. A
block counts where all its trials that the grid plans came to a value; a mean over part of an arm would compare other
cells. The blocks of one seed share their split and their images, so their mean is one observation, not many.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

import numpy as np
import pandas as pd

from orchestrator.errors import UserError
from orchestrator.evidence.stats.scope import Stratum
from orchestrator.evidence.strata import Contributions, Trials, unknown
from orchestrator.evidence.stuck import STUCK
from orchestrator.grid.claims import Arm, Claim, LevelPattern
from orchestrator.grid.rules import Pattern
from orchestrator.grid.values import json_of
from results_schema import BROKEN
from trainables import AXES

# Which rows of the `trials` table an arm of a claim means.


def rows_of(arm: Arm, trials: pd.DataFrame) -> "pd.Series[bool]":
    """Which trials have, on each axis that the arm names, one of its levels. trials: with the axes' configurations."""
    chosen = pd.Series(True, index=trials.index, dtype=bool)
    for axis, levels in arm.axes.items():
        chosen &= _rows_on(axis, levels, trials)
    return chosen


def _rows_on(axis: str, levels: Sequence[LevelPattern], trials: pd.DataFrame) -> "pd.Series[bool]":
    configurations = trials[f"{axis}_config"]
    return configurations.isin({text for text in configurations.unique() if _is_any(levels, _parts(text))})


def _parts(text: str) -> list[Mapping[str, Any]]:
    """The components of a level, without those that do nothing."""
    level = json.loads(text)
    parts = level if isinstance(level, list) else [level]
    return [part for part in parts if part["name"] != "none"] or parts[:1]


def _is_any(levels: Sequence[LevelPattern], parts: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        len(level.parts) == len(parts)
        and all(any(_matches(pattern, part) for part in parts) for pattern in level.parts)
        for level in levels
    )


def _matches(pattern: Pattern, part: Mapping[str, Any]) -> bool:
    return part["name"] == pattern.component.name and all(
        any(_is_value(text, part.get(key)) for text in texts) for key, texts in pattern.values.items()
    )


def _is_value(text: str, kept: Any) -> bool:
    """Whether a value is what the claim says; a path is kept in full, whatever the grid says of it."""
    if json_of(kept) == text:
        return True
    written = json.loads(text)
    if not isinstance(written, str) or not isinstance(kept, str) or not written:
        return False
    return PurePath(kept).is_absolute() and PurePath(kept).match(written)


@dataclass(frozen=True, slots=True)
class Term:
    """Cells that count with a weight."""

    weight: float
    arms: tuple[Arm, ...]
    """Those that are in all of these."""
    name: str
    """For display."""


@dataclass(frozen=True, slots=True)
class Side:
    """What has become of one term's cells."""

    name: str
    mean: float
    """Over the blocks that count; of times the median."""
    finite: int
    """Blocks that count and in which its value is finite: of times, those in which it gets there."""
    statuses: Mapping[str, int]
    """Status to the number of its trials; those that are skipped are not among them."""
    skipped: str | None
    """The reason of a trial that was skipped, where one was."""
    trial_ids: frozenset[str]
    """Its trials of the blocks that count or will."""


@dataclass(frozen=True, slots=True)
class Level:
    """A part of the trials, with the effect that they alone show."""

    axis: str | None
    """The axis whose level it is; None of a place that the claim names."""
    name: str
    strata: tuple[Stratum, ...]


@dataclass(frozen=True)
class Units:
    """What there is to decide a claim with."""

    strata: tuple[Stratum, ...]
    """What the claim's test is of: a value for each seed of each pool of pictures, in the direction that the claim says."""
    pairs: int
    """Units: seeds of data sets, or seeds where data sets are compared."""
    seeds: int
    """Different seeds among them."""
    planned: int
    """Different seeds of all blocks, those that do not count among them."""
    blocks: int
    """Blocks that count."""
    waiting: int
    """Blocks that do not, for trials of theirs have not come to a value."""
    lacking: Mapping[str, int]
    """Status to the number of those trials."""
    flattering: int
    """Blocks that do not count for a trial of the side that the claim favours broke: to leave them out flatters it."""
    belittling: int
    """The same of the other side: to leave them out speaks against the claim."""
    trial_ids: frozenset[str]
    """Trials of the blocks that count or will."""
    sides: tuple[Side, ...]
    places: tuple[Level, ...] = ()
    """Of an interaction, and of a difference along an order: the difference in each place."""
    levels: tuple[Level, ...] = ()
    """The effect at each level of each axis that it is averaged over."""
    data_sets: int = 1
    """Of different content."""
    repetitions: int = 0
    """Of tuning: where there are several, each is a unit; where there is one, all seeds share what it chose."""


def terms_of(claim: Claim) -> tuple[Term, ...]:
    """The sum that is positive where the claim holds and zero where nothing differs."""
    sign = _sign(claim)
    sides = [] if claim.first is None or claim.than is None else [(sign, claim.first), (-sign, claim.than)]
    if claim.over is not None:
        along = 1 if claim.rises else -1
        steps = _contrast(len(claim.over.levels))
        if not sides:
            return tuple(Term(along * step, (arm,), str(arm)) for step, arm in zip(steps, claim.over.arms, strict=True))
        return tuple(
            Term(along * step * weight, (side, arm), f"{side} at {arm}")
            for step, arm in zip(steps, claim.over.arms, strict=True)
            for weight, side in sides
        )
    if claim.more_where is not None and claim.less_where is not None:
        return tuple(
            Term(at * weight, (side, place), f"{side} at {place}")
            for at, place in ((1, claim.more_where), (-1, claim.less_where))
            for weight, side in sides
        )
    return tuple(Term(weight, (side,), str(side)) for weight, side in sides)


def rows_of_terms(claim: Claim, trials: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each term's name and trials."""
    within = trials[rows_of(claim.where, trials)]
    for term in terms_of(claim):
        yield term.name, within[_rows(term, within)]


def trials_of(claim: Claim, trials: pd.DataFrame) -> "pd.Series[bool]":
    """Return the trials that the claim is about."""
    masks = [_rows(term, trials) for term in terms_of(claim)]
    about: pd.Series[bool] = pd.concat(masks, axis=1).any(axis=1)
    return about & rows_of(claim.where, trials)


def units_of(
    claim: Claim, trials: pd.DataFrame, values: "pd.Series[float]", contributions: Contributions = unknown
) -> Units:
    """trials: those of the grid that evaluate. values: by trial_id, of `measured`. Raises UserError where arms overlap."""
    within = trials.reindex(columns=[*trials.columns, *_MAY_LACK.difference(trials.columns)])
    within = within[rows_of(claim.where, within)]
    about = within[within["status"] != "skipped"].assign(value=lambda rows: values.reindex(rows["trial_id"]).to_numpy())
    terms = terms_of(claim)
    masks = [_rows(term, about) for term in terms]
    if (np.sum([mask.to_numpy() for mask in masks], axis=0) > 1).any():
        raise UserError(f"the claim {claim.id} compares cells with themselves: its arms have some in common")
    unit = ["seed"] if "dataset" in claim.compared else ["data_fingerprint", "seed"]
    block = [*(axis for axis in AXES if axis not in claim.compared), *unit]
    sums = [_by_block(about[mask], block) for mask in masks]
    blocks = _of_whole_units(pd.concat(sums, axis=1, join="inner", keys=range(len(terms))), unit)
    whole = pd.concat([blocks[place, "whole"] for place in range(len(terms))], axis=1).all(axis=1)
    lacking = blocks[~whole]
    there = pd.DataFrame({place: blocks[place, "value"][whole] for place in range(len(terms))})
    used = about[np.logical_or.reduce([mask.to_numpy() for mask in masks])]
    without = used[used["value"].isna() & _blocks_of(used, block).isin(lacking.index)]
    broken = without[without["status"].isin([*BROKEN, STUCK])]

    def broken_blocks(*, favoured: bool) -> int:
        side = [mask.to_numpy() for mask, good in zip(masks, _favoured(claim), strict=True) if good == favoured]
        of_side = broken[broken.index.isin(about.index[np.logical_or.reduce(side)])]
        return int(_blocks_of(of_side, block).nunique())

    counting = [about[mask].assign(term=number) for number, mask in enumerate(masks)]
    counted = Trials(
        _counting(pd.concat(counting), there.index, unit, block), unit == ["seed"], claim.on, contributions
    )
    trial_ids = frozenset(used["trial_id"][_blocks_of(used, block).isin(blocks.index)])
    return Units(
        strata=counted.strata([term.weight for term in terms], bound_of(claim)),
        pairs=int(counted.rows["unit"].nunique()),
        seeds=int(there.index.get_level_values("seed").nunique()),
        repetitions=_repetitions(counted.rows),
        planned=int(blocks.index.get_level_values("seed").nunique()),
        blocks=len(there),
        waiting=len(lacking),
        lacking=_counts(without["status"]),
        flattering=broken_blocks(favoured=True),
        belittling=broken_blocks(favoured=False),
        trial_ids=trial_ids,
        sides=tuple(
            _side(claim, term, there[place], about[mask], within, trial_ids)
            for place, (term, mask) in enumerate(zip(terms, masks, strict=True))
        ),
        places=tuple(_places(claim, terms, counted)),
        levels=tuple(_levels(claim, terms, counted)),
        data_sets=int(counted.rows["data_fingerprint"].nunique()),
    )


def _places(claim: Claim, terms: Sequence[Term], counted: Trials) -> Iterator[Level]:
    """The difference in the first place of an interaction and in the second; along an order at each of its levels."""
    if claim.first is None:
        return
    places = claim.over.arms if claim.over else (claim.more_where, claim.less_where) if claim.more_where else ()
    for number, place in enumerate(places):
        weights = [0.0] * len(terms)
        weights[2 * number : 2 * number + 2] = _sign(claim), -_sign(claim)
        yield Level(None, str(place), counted.strata(weights))


def _levels(claim: Claim, terms: Sequence[Term], counted: Trials) -> Iterator[Level]:
    weights = [term.weight for term in terms]
    for axis in AXES:
        labels = counted.rows[axis].unique()
        if axis in claim.compared or len(labels) < 2:
            continue
        for label in labels:
            yield Level(axis, str(label), counted.among(counted.rows[axis] == label).strata(weights))


_MAY_LACK: Final = pd.Index(
    ["split_design", "train_size", "val_size", "test_size", "unlabelled_size", "varied", "repetition", "tuning_config"]
)
"""Columns that a table of an older orch has not."""


def bound_of(claim: Claim) -> float:
    """Return what the effect has to exceed."""
    return -claim.margin if claim.sense == "not_worse" else claim.margin


def _counting(rows: pd.DataFrame, there: pd.Index, unit: list[str], block: list[str]) -> pd.DataFrame:
    """Those of blocks that count, numbered by unit and block."""
    return numbered(rows[_blocks_of(rows, block).isin(there)], unit, block)


def numbered(rows: pd.DataFrame, unit: list[str], block: list[str]) -> pd.DataFrame:
    """With the numbers of their units and blocks, as `strata.Trials` takes them.

    Where tuning was repeated, a repetition is the unit: its seeds share the values that it chose.
    """
    kept = rows.assign(block=rows.groupby(block).ngroup())
    if kept["repetition"].nunique() > 1:
        kept["seed"] = kept.groupby("seed")["repetition"].transform("max").fillna(kept["seed"]).astype(int)
    return kept.assign(unit=kept.groupby(unit).ngroup())


def _repetitions(rows: pd.DataFrame) -> int:
    """Of tuning: what is tuned once has no number of it."""
    numbered = int(rows["repetition"].nunique())
    return numbered or int(rows["tuning_config"].notna().any())


def _sign(claim: Claim) -> int:
    if claim.sense in {"higher", "lower"}:
        return 1 if claim.sense == "higher" else -1
    return 1 if claim.on.higher_is_better else -1


def _contrast(levels: int) -> list[float]:
    """Weights that make of a level's values the change from the first to the last along the least-squares line."""
    ranks = np.arange(levels) - (levels - 1) / 2
    return [float(weight) for weight in ranks / np.sum(ranks**2) * (levels - 1)]


def _rows(term: Term, about: pd.DataFrame) -> "pd.Series[bool]":
    chosen = pd.Series(True, index=about.index, dtype=bool)
    for arm in term.arms:
        chosen &= rows_of(arm, about)
    return chosen


def _by_block(rows: pd.DataFrame, block: list[str]) -> pd.DataFrame:
    """Block by block: the mean of an arm's trials, and whether all of them have a value."""
    groups = rows.groupby(block)["value"]
    return pd.DataFrame({"value": groups.mean(), "whole": groups.count() == groups.size()})


def _of_whole_units(blocks: pd.DataFrame, unit: list[str]) -> pd.DataFrame:
    """Leave out seeds that were added to some of the cells alone, for another claim: their mean is one of other cells."""
    if blocks.empty:
        return blocks
    planned = pd.Series(1, index=blocks.index).groupby(level=unit).transform("sum")
    most = planned.groupby(level="data_fingerprint").transform("max") if len(unit) > 1 else planned.max()
    return blocks[planned == most]


def _blocks_of(rows: pd.DataFrame, block: list[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[block])


def _side(
    claim: Claim,
    term: Term,
    there: "pd.Series[float]",
    rows: pd.DataFrame,
    within: pd.DataFrame,
    trial_ids: frozenset[str],
) -> Side:
    skipped = within[(within["status"] == "skipped") & _rows(term, within)]["reason"].dropna()
    return Side(
        name=term.name,
        mean=float(there.median() if claim.on.form == "time" else there.mean()),
        finite=int(np.isfinite(there.astype("float64")).sum()),
        statuses=_counts(rows["status"]),
        skipped=str(skipped.iloc[0]) if len(skipped) else None,
        trial_ids=trial_ids & set(rows["trial_id"]),
    )


def _counts(statuses: "pd.Series[str]") -> dict[str, int]:
    return {str(status): int(count) for status, count in statuses.value_counts().items()}


def _favoured(claim: Claim) -> list[bool]:
    """Return for each term whether a trial of it that breaks speaks against the claim."""
    good = _sign(claim) if claim.first is not None else -1 if claim.on.higher_is_better is False else 1
    return [term.weight * good > 0 for term in terms_of(claim)]
