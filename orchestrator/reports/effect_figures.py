"""Which axis matters how much, and how the levels of each axis rank over data sets."""

from collections.abc import Iterator
from typing import Final

import pandas as pd

from orchestrator.reports.cells import AXES
from orchestrator.reports.compared import measures_of
from orchestrator.reports.figures import Effects, RankFigure, Share
from orchestrator.reports.numbers import number
from orchestrator.reports.stats.effects import effects
from orchestrator.reports.stats.ranks import ranks

LEVELS_KEPT: Final = 40
"""Of an axis in a diagram of ranks."""
_ENOUGH_DATA_SETS: Final = 5
"""With fewer, Nemenyi's test tells nothing apart."""


def axis_effects(trials: pd.DataFrame) -> tuple[Effects, ...]:
    """A decomposition of the variance of the test measure for each data set where anything varies."""
    found, measures = [], measures_of(trials)
    for dataset, part in trials.groupby("dataset", sort=False):
        measure = measures[str(dataset)]
        done = part[part["status"] == "completed"]
        shares = effects(done, measure.shown, AXES[1:])
        if shares:
            drawn = tuple(
                Share(" × ".join(one.term) or "left over", number(one.share), number(one.low), number(one.high))
                for one in shares
            )
            found.append(Effects(str(dataset), measure.score, drawn))
    return tuple(found)


def rank_figures(trials: pd.DataFrame) -> tuple[RankFigure, ...]:
    """One for each axis but the data set that has three levels or more which completed together."""
    return tuple(figure for axis in AXES[1:] for figure in _ranked(trials, axis))


def _ranked(trials: pd.DataFrame, axis: str) -> Iterator[RankFigure]:
    rows = trials[trials["status"] != "skipped"]
    scored = rows.assign(score=_scores(rows))
    others = [name for name in AXES if name != axis]
    wide = scored.pivot_table(index=[*others, "seed"], columns=axis, values="score", sort=False, dropna=False)
    wide = wide.dropna(axis=0, how="all").dropna(axis=1, how="all")
    there = wide.dropna()
    by = ["dataset"] if trials["dataset"].nunique() >= _ENOUGH_DATA_SETS else ["dataset", "seed"]
    blocks = there.groupby(level=by, sort=False).mean()
    if not 3 <= blocks.shape[1] <= LEVELS_KEPT or len(blocks) < 2:
        return
    found = ranks(blocks)
    place = {str(level): at for at, level in enumerate(found.average.index)}
    yield RankFigure(
        axis=axis,
        levels=tuple(place),
        average=tuple(float(f"{value:.4g}") for value in found.average),
        critical_difference=float(f"{found.critical_difference:.4g}"),
        groups=tuple((place[group[0]], place[group[-1]]) for group in found.groups),
        blocks=found.blocks,
        block="data sets" if by == ["dataset"] else "seeds of the data sets",
        p=f"{found.p:.2g}",
        left_out=len(wide) - len(there),
    )


def _scores(trials: pd.DataFrame) -> "pd.Series[float]":
    """The test measure of each completed trial, the greater the better."""
    parts, measures = [], measures_of(trials)
    for dataset, part in trials.groupby("dataset", sort=False):
        measure = measures[str(dataset)]
        values = part[measure.shown].astype("float64").where(part["status"] == "completed")
        parts.append(values if measure.higher_is_better else -values)
    return pd.concat(parts) if parts else pd.Series(dtype="float64")
