"""What the charts of the page show: heat maps, gaps, costs, learning curves, and the effect of each axis."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from orchestrator.evidence.selection import MEASURES, OWN, Measure
from orchestrator.evidence.stats.effects import Effect, axes_at_work, effects
from orchestrator.evidence.stats.ranks import MIN_BLOCKS, ranks
from orchestrator.report.page_data import (
    LEFT_OVER,
    Axis,
    Cell,
    CellCurve,
    Cells,
    Cost,
    Curves,
    DataSet,
    Effects,
    Line,
    RankFigure,
    Share,
    number,
    numbers,
)
from orchestrator.results.ranked import COSTS
from trainables import AXES, METHOD_AXES, axes_shown

CELLS_KEPT: Final = 20_000


def cell_figures(trials: pd.DataFrame, ranked: pd.DataFrame, measures: Mapping[str, Measure]) -> Cells:
    """ranked: of `ranked_cells`, whose order the cells keep. measures: of each data set."""
    axes = tuple(Axis(name, tuple(map(str, dict.fromkeys(trials[name])))) for name in axes_shown(trials["deployment"]))
    places = [{level: place for place, level in enumerate(axis.levels)} for axis in axes]
    kept = ranked.head(CELLS_KEPT)
    return Cells(
        axes=axes,
        datasets=tuple(
            DataSet(name, measures[name].score, measures[name].split, measures[name].higher_is_better)
            for name in axes[0].levels
        ),
        costs=tuple(Cost(title, unit) for title, unit in COSTS.values()),
        cells=tuple(
            Cell(
                at=tuple(place[str(row[axis.name])] for place, axis in zip(places, axes, strict=True)),
                rank=None if pd.isna(row["rank"]) else int(row["rank"]),
                ties=row["ties"] is True,
                mean=number(row["mean"]),
                low=number(row["low"]),
                high=number(row["high"]),
                n=int(row["n"]),
                statuses=str(row["statuses"]),
                train=number(row["train"]),
                costs=tuple(number(row[cost]) for cost in COSTS),
            )
            for row in kept.to_dict("records")
        ),
        left_out=len(ranked) - len(kept),
    )


# Learning curves of the cells, with bands over seeds, down-sampled to what a page can carry.

_TITLES: Final = {
    **{measure.epoch: f"validation {measure.title}" for measure in MEASURES if measure.epoch != "val_loss"},
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "gradient_norm": "gradient norm",
}
"""Column of `epochs` to its title."""
EPOCH_COLUMNS: Final = ["trial_id", "epoch", *_TITLES]
_USUAL: Final = (*(measure.epoch for measure in OWN), "train_loss", "val_loss", "gradient_norm")
"""Drawn whatever the trials select by."""

CURVE_NUMBERS_KEPT: Final = 150_000
"""Of all curves together: some 1 MB."""
_MAX_POINTS: Final = 80
_MIN_POINTS: Final = 12


def epochs_selected(measures: Mapping[str, Measure]) -> dict[str, str]:
    """What trials are compared by, as a column of `epochs`, with its title."""
    return {measure.epoch: f"validation {measure.title}" for measure in measures.values()}


def learning_curves(
    trials: pd.DataFrame, ranked: pd.DataFrame, epochs: pd.DataFrame, measures: Mapping[str, Measure]
) -> Curves:
    """Mean, least and greatest of the completed seeds at each epoch; of a long training, some of its epochs.

    Where the cells are too many, the page carries the best ones of each data set.
    """
    done = trials.loc[trials["status"] == "completed", ["trial_id", "cell_id"]]
    rows = epochs.merge(done, on="trial_id")
    selecting = epochs_selected(measures)
    of_cells = {
        name: rows.loc[rows[name].notna(), "cell_id"].nunique() for name in dict.fromkeys((*selecting, *_USUAL))
    }
    # the first is drawn first: what all cells have, and are selected by
    there = sorted((name for name, cells in of_cells.items() if cells), key=lambda name: -of_cells[name])
    drawn = set(rows["cell_id"]) if there else set()
    having = [place for place, cell in enumerate(ranked["cell_id"]) if cell in drawn]
    wide = 3 if done["cell_id"].duplicated().any() else 1
    most = CURVE_NUMBERS_KEPT // (_MIN_POINTS * wide * max(1, len(there)))
    kept = _best_of_each(ranked, having, most)
    points = min(_MAX_POINTS, max(_MIN_POINTS, CURVE_NUMBERS_KEPT // max(1, len(kept) * wide * len(there))))
    return Curves(
        measures=tuple({**selecting, **_TITLES}[name] for name in there),
        curves=tuple(_curves(rows, dict(zip(ranked["cell_id"].iloc[kept], kept, strict=True)), there, points)),
        left_out=len(having) - len(kept),
    )


def _best_of_each(ranked: pd.DataFrame, having: list[int], most: int) -> list[int]:
    """Places of the cells to carry, as many of each data set as there is room for."""
    if len(having) <= most:
        return having
    datasets = ranked["dataset"].iloc[having]
    within = datasets.groupby(datasets, sort=False).cumcount()
    return sorted(within.sort_values(kind="stable").index[:most])


def _curves(rows: pd.DataFrame, place_of: Mapping[str, int], names: list[str], points: int) -> Iterator[CellCurve]:
    """Of each cell in `place_of`, in its order. rows: of `epochs`, with the cell of each.

    Of all cells in one pass: thousands of groups of their own would take seconds.
    """
    own = rows[rows["cell_id"].isin(list(place_of))]
    own = own.assign(place=own["cell_id"].map(place_of).astype("int64"))
    by_cell, by_epoch = own.groupby("place"), own.groupby(["place", "epoch"])[names]
    seeds, there = by_cell["trial_id"].nunique().to_numpy(), (by_cell[names].count() > 0).to_numpy()
    found = by_epoch.mean()
    figures = [each.to_numpy(dtype=np.float64, na_value=np.nan) for each in (found, by_epoch.min(), by_epoch.max())]
    places, epochs = (found.index.get_level_values(name).to_numpy() for name in ("place", "epoch"))
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    ends = np.append(starts[1:], len(places))[: len(starts)]
    for start, end, n, has in zip(starts, ends, seeds.tolist(), there, strict=True):
        chosen = start + np.unique(np.linspace(0, end - start - 1, min(points, end - start)).round().astype(int))
        mean, low, high = (each[chosen].T for each in figures)
        lines = (
            Line(numbers(mean[at]), *(numbers(edge[at]) if n > 1 else () for edge in (low, high))) if has[at] else None
            for at in range(len(names))
        )
        yield CellCurve(int(places[start]), n, tuple(map(int, epochs[chosen])), tuple(lines))


# Which axis matters how much, and how the levels of each axis rank over data sets.

LEVELS_KEPT: Final = 40
"""Of an axis in a diagram of ranks."""
_ENOUGH_SEEDS: Final = 5
"""To draw some of them again and again says nothing of how unsure a share is where there are fewer."""
_WIDEST: Final = 0.5
"""Interval of a share that is shown."""


def axis_effects(trials: pd.DataFrame, measures: Mapping[str, Measure]) -> tuple[Effects, ...]:
    """A decomposition of the variance of what is shown for each data set where anything varies."""
    found = []
    for dataset, part in trials.groupby("dataset", sort=False):
        measure = measures[str(dataset)]
        done = part[part["status"] == "completed"]
        if not axes_at_work(done, measure.shown, METHOD_AXES):
            continue
        seeds = done["seed"].nunique()
        shares = effects(done, measure.shown, METHOD_AXES) if seeds >= _ENOUGH_SEEDS else ()
        sure = tuple(map(_share, filter(_is_sure, shares)))
        if all(one.term == LEFT_OVER for one in sure):
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
        return f"{few} not show how much each axis explains: it takes {_ENOUGH_SEEDS}."
    return f"These {seeds} seeds do not show how much each axis explains: they agree too little."


def _unsure(names: Sequence[str]) -> str:
    return f"Not shown, since the seeds agree too little about it: {', '.join(names)}." if names else ""


def rank_figures(trials: pd.DataFrame, measures: Mapping[str, Measure]) -> tuple[RankFigure, ...]:
    """Make one for each axis but the data set that has three levels or more which completed together."""
    return tuple(figure for axis in METHOD_AXES for figure in _ranked(trials, axis, measures))


def _ranked(trials: pd.DataFrame, axis: str, measures: Mapping[str, Measure]) -> Iterator[RankFigure]:
    rows = trials[trials["status"] != "skipped"]
    scored = rows.assign(score=_scores(rows, measures))
    others = [name for name in AXES if name != axis]
    wide = scored.pivot_table(index=[*others, "seed"], columns=axis, values="score", sort=False, dropna=False)
    wide = wide.dropna(axis=0, how="all").dropna(axis=1, how="all")
    there = wide.dropna()
    content = trials.drop_duplicates("dataset").set_index("dataset")["data_fingerprint"]
    # variants of one content are one block, as their pictures are the same
    variants = there.groupby(level="dataset", sort=False).mean()
    blocks = variants.groupby(content.reindex(variants.index).fillna(variants.index.to_series()), sort=False).mean()
    if not 3 <= blocks.shape[1] <= LEVELS_KEPT or blocks.empty:
        return
    if len(blocks) < MIN_BLOCKS:
        yield RankFigure(axis, (), (), 0.0, (), len(blocks), "", len(wide) - len(there), _too_few_sets(len(blocks)))
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
        p=f"{found.p:.2g}",
        left_out=len(wide) - len(there),
        lacking="",
    )


def _too_few_sets(blocks: int) -> str:
    return (
        f"No diagram: average ranks need {MIN_BLOCKS} data sets with different content;"
        f" here {'is 1' if blocks == 1 else f'are {blocks}'}. Seeds and variants of one data set do not count."
    )


def _scores(trials: pd.DataFrame, measures: Mapping[str, Measure]) -> "pd.Series[float]":
    """The test measure of each completed trial, the greater the better."""
    parts = []
    for dataset, part in trials.groupby("dataset", sort=False):
        measure = measures[str(dataset)]
        values = part[measure.shown].astype("float64").where(part["status"] == "completed")
        parts.append(values if measure.higher_is_better else -values)
    return pd.concat(parts) if parts else pd.Series(dtype="float64")
