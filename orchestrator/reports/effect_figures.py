"""Which axis matters how much, and how the levels of each axis rank over data sets."""

from collections.abc import Iterator, Sequence
from typing import Final

import pandas as pd

from orchestrator.reports.cells import AXES
from orchestrator.reports.compared import measures_of
from orchestrator.reports.figures import LEFT_OVER, Effects, RankFigure, Share
from orchestrator.reports.numbers import number
from orchestrator.reports.stats.effects import Effect, effects
from orchestrator.reports.stats.ranks import Ranks, ranks

LEVELS_KEPT: Final = 40
"""Of an axis in a diagram of ranks."""
_ENOUGH_DATA_SETS: Final = 5
"""With fewer, Nemenyi's test tells nothing apart."""
_ENOUGH_SEEDS: Final = 5
"""To draw some of them again and again says nothing of how unsure a share is where there are fewer."""
_WIDEST: Final = 0.5
"""Interval of a share that is shown."""


def axis_effects(trials: pd.DataFrame) -> tuple[Effects, ...]:
    """A decomposition of the variance of what is shown for each data set where anything varies."""
    found, measures = [], measures_of(trials)
    for dataset, part in trials.groupby("dataset", sort=False):
        measure = measures[str(dataset)]
        done = part[part["status"] == "completed"]
        if shares := effects(done, measure.shown, AXES[1:]):
            sure = tuple(map(_share, filter(_is_sure, shares)))
            seeds = done["seed"].nunique()
            if seeds < _ENOUGH_SEEDS or all(one.term == LEFT_OVER for one in sure):
                found.append(Effects(str(dataset), measure.score, (), _too_few(seeds)))
            else:
                unsure = [_name(one) for one in shares if not _is_sure(one)]
                found.append(Effects(str(dataset), measure.score, sure, _unsure(unsure)))
    return tuple(found)


def _is_sure(one: Effect) -> bool:
    """Whether the seeds tell anything of it: an interval of half of all that there is tells next to nothing."""
    return one.high - one.low <= _WIDEST


def _share(one: Effect) -> Share:
    return Share(_name(one), number(one.share), number(one.low), number(one.high))


def _name(one: Effect) -> str:
    return " × ".join(one.term) or LEFT_OVER


def _too_few(seeds: int) -> str:
    if seeds < _ENOUGH_SEEDS:
        few = "One seed does" if seeds == 1 else f"{seeds} seeds do"
        return f"{few} not tell how much each axis explains: it takes {_ENOUGH_SEEDS}."
    return f"These {seeds} seeds do not tell how much each axis explains: they agree too little."


def _unsure(names: Sequence[str]) -> str:
    return f"Not shown, since the seeds agree too little about it: {', '.join(names)}." if names else ""


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
        lacking=_out_of_reach(found, blocks.shape[1]),
    )


def _out_of_reach(found: Ranks, levels: int) -> str:
    if found.critical_difference < levels - 1:
        return ""
    return (
        f"No diagram: average ranks of {levels} levels are at most {levels - 1} apart, and over {found.blocks} blocks only"
        f" more than {found.critical_difference:.2f} would tell levels apart."
    )


def _scores(trials: pd.DataFrame) -> "pd.Series[float]":
    """The test measure of each completed trial, the greater the better."""
    parts, measures = [], measures_of(trials)
    for dataset, part in trials.groupby("dataset", sort=False):
        measure = measures[str(dataset)]
        values = part[measure.shown].astype("float64").where(part["status"] == "completed")
        parts.append(values if measure.higher_is_better else -values)
    return pd.concat(parts) if parts else pd.Series(dtype="float64")
