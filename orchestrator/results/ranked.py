"""All cells of a sweep, data set by data set and ranked: what every chart and table of the page draws on."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from orchestrator.evidence.cells import CellPictures
from orchestrator.evidence.selection import Measure, measures_of
from orchestrator.evidence.stats.design import NARROW, WIDE
from orchestrator.evidence.stats.leaderboard import COLUMNS, broken_value, leaderboard, with_broken
from orchestrator.evidence.strata import Contributions, unknown
from orchestrator.grid.measures import bounds_of, chance_of, measure_named
from orchestrator.plan.tuned import shown_text
from orchestrator.store.frames import TablesRead
from results_schema import BROKEN, CLASSES, EVALUATION
from trainables import AXES, METHOD_AXES, levels_shown

# The names of cells.


def short_label(row: "pd.Series[str] | Mapping[str, str]") -> str:
    """`cnn · adam lr=0.003 · dropout p=0.3`, and what was made of its nets, if anything."""
    return " · ".join(levels_shown([row[axis] for axis in METHOD_AXES]))


def tuned_label(row: "pd.Series[str]") -> str:
    """The same with the values that tuning chose, if it did: `cnn · adam · none · optimizer.lr=0.003`."""
    chosen = None if pd.isna(row["tuned"]) else row["tuned"]
    return " · ".join(filter(None, (short_label(row), shown_text(chosen))))


COSTS: Final = {
    "total_seconds": ("training in all", "s"),
    "latency_ms_p50": ("latency of one example", "ms"),
    "model_bytes": ("size of the model", "B"),
    "parameters": ("parameters", ""),
    "flops": ("operations of one example", "FLOP"),
}
"""Column of `trials` to its title and unit: what is paid first, then what only stands for it. None counts a part alone: not
what learns of a model, nor what is left of the training after a frozen part has done its share beforehand.
"""

FIGURES: Final = (*COLUMNS, "is_chance", "measure", "validation", "train", "gap", *COSTS, "statuses", "tuned", "trials")


_NOT_KNOWN: Final[Mapping[str, int]] = MappingProxyType({})


def evaluating(every: pd.DataFrame) -> pd.DataFrame:
    """Of all trials, those that the latest grid names and that evaluate: they choose, and others do not."""
    return every[every["planned"].fillna(False).astype(bool) & (every["purpose"].fillna(EVALUATION) == EVALUATION)]


def class_counts(trials: pd.DataFrame, tables: TablesRead) -> dict[str, int]:
    """Return the number of classes of each data set that has classes, and a completed trial."""
    first = trials[trials["status"] == "completed"].groupby("dataset", sort=False)["trial_id"].first()
    rows = (
        tables.wanted(CLASSES, ["trial_id", "class_index"], [("trial_id", "in", list(first))]) if len(first) else None
    )
    counts = {} if rows is None else rows.groupby("trial_id").size().to_dict()
    return {str(dataset): int(counts[trial]) for dataset, trial in first.items() if trial in counts}


def ranked_cells(
    trials: pd.DataFrame,
    classes: Mapping[str, int] = _NOT_KNOWN,
    pictures: Contributions = unknown,
    measures: Mapping[str, Measure] | None = None,
) -> pd.DataFrame:
    """One row for each cell: the columns of `stats.leaderboard`, the axes, and `FIGURES`. trials: those that evaluate.

    classes: of `class_counts`: what broke counts as chance has it. pictures: what each test picture brings, without which an
    official test split tells little of pictures like these.

    Data sets stand in the order of the plan, the better cell first in each, by what the grid selects by; without a
    completed trial a cell stands last. `is_chance`: whether `counted_as` is what answers
    score that know nothing. `measure`: the column of `trials` whose mean is shown, of validation as long as trials have
    still to run; then nothing is told apart. `gap`: by how much training is better than that. Costs are means
    over completed trials. measures: of each data set, in place of what the grid selects by.
    """
    measures = measures_of(trials) if measures is None else measures
    parts = [
        _ranked(part, measures[str(dataset)], classes.get(str(dataset), 0), pictures)
        for dataset, part in trials.groupby("dataset", sort=False)
    ]
    if not parts:
        return pd.DataFrame(columns=[*AXES, *FIGURES])
    return pd.concat(parts, ignore_index=True)


def scope_of(cells: pd.DataFrame) -> str:
    """Return what the intervals and p of one data set's cells are about, in words; empty where there are none."""
    scopes, reasons = set(cells["scope"].dropna()), list(cells["withheld"].dropna())
    if not scopes:
        return ""
    if not reasons:
        return f"{'intervals, p and ties' if cells['p'].notna().any() else 'intervals'} are about {WIDE}"
    whose = "intervals" if scopes == {NARROW} else "intervals of some cells"
    return f"{whose} are about {NARROW} alone, and their p and ties are withheld: {reasons[0]}"


def untold(cells: pd.DataFrame) -> "pd.Series[bool]":
    """Cells that are neither told from the first of their data set nor tied with it: the seeds are too few for either."""
    open_still: pd.Series[bool] = cells["ties"].isna()
    return open_still


def counted_as(cells: pd.DataFrame) -> str:
    """`0.1 (chance)`: what the trials of one data set count as that broke; empty where none did."""
    values = cells["counted_as"].dropna()
    if values.empty:
        return ""
    return f"{values.iloc[0]:.4g}" + (" (chance)" if bool(cells["is_chance"].iloc[0]) else "")


def broken(cells: pd.DataFrame) -> "pd.Series[int]":
    """Trials of each cell that diverged or failed."""
    return cells[list(BROKEN)].sum(axis=1).astype(int)


def _ranked(trials: pd.DataFrame, measure: Measure, classes: int, pictures: Contributions) -> pd.DataFrame:
    higher, chance, on = measure.higher_is_better, chance_of(measure.shown, classes), measure_named(measure.shown)
    assert on is not None, "what is selected by is a column"
    floor = broken_value(trials, measure.shown, higher_is_better=higher, chance=chance)
    designs = CellPictures(trials, with_broken(trials, measure.shown, floor), on, pictures)
    board = leaderboard(
        trials,
        measure=measure.shown,
        selection=measure.validation,
        higher_is_better=higher,
        chance=chance,
        bounds=bounds_of(measure.shown),
        designs=designs,
    )
    if measure.split == "validation":  # who looks as often as trials end finds a difference that is not there
        board = board.assign(p=np.nan, ties=pd.array([pd.NA] * len(board), dtype="boolean"))
    done = trials.assign(_train=trials[measure.train].astype("float64")).where(trials["status"] == "completed")
    by_cell = done.assign(cell_id=trials["cell_id"]).groupby("cell_id", sort=False)
    more = by_cell.agg(
        train=("_train", "mean"), _done=(measure.shown, "mean"), **{name: (name, "mean") for name in COSTS}
    )
    groups = trials.groupby("cell_id", sort=False)
    about = groups.agg(**{axis: (axis, "first") for axis in AXES}, trials=("trial_id", "size"))
    about["tuned"] = _choices(trials).reindex(about.index).astype(object).where(lambda found: found.notna(), None)
    about["statuses"] = _statuses(trials)
    found = board.join(more.astype("float64"), on="cell_id").join(about, on="cell_id")
    ahead = found["train"] - found.pop("_done")
    found["gap"] = (ahead if measure.higher_is_better else -ahead).round(12) + 0.0  # of equal means no -1e-17, nor -0
    found["validation"] = found["selected_by"]
    return found.assign(measure=measure.shown, is_chance=chance is not None and floor == chance)


def _choices(trials: pd.DataFrame) -> "pd.Series[str]":
    """By cell, JSON of what tuning chose for it; of one that is tuned in repetitions, a line for each choice."""
    chosen = trials[["cell_id", "tuned"]].dropna().drop_duplicates()
    return chosen.groupby("cell_id", sort=False)["tuned"].agg("\n".join)


def _statuses(trials: pd.DataFrame) -> "pd.Series[str]":
    """`2 completed, 1 failed`, by cell."""
    counts = trials.groupby(["cell_id", "status"], sort=False).size().reset_index(name="count")
    counts["text"] = counts["count"].astype(str) + " " + counts["status"].str.replace("_", " ")
    return counts.groupby("cell_id", sort=False)["text"].agg(", ".join)
