"""The tables of the page: leaderboards, trials, and what went wrong."""

from collections.abc import Iterable
from typing import Any, Final

import pandas as pd

from orchestrator.reports.cells import AXES, Measure, best_first, measure_of
from orchestrator.reports.numbers import number
from orchestrator.reports.page import Board
from orchestrator.reports.page_grid import Column, Field, Grid
from orchestrator.reports.ranked import broken
from orchestrator.tuning.wording import shown_text

ROWS_KEPT: Final = 20_000
"""What a browser still sorts at once."""
_LONGEST_REASON: Final = 300
_AXIS_COLUMNS: Final = tuple(Column(axis, "text") for axis in AXES)


def boards(trials: pd.DataFrame, ranked: pd.DataFrame) -> tuple[Board, ...]:
    """The leaderboard of each data set. ranked: of `ranked_cells`."""
    return tuple(
        _board(str(dataset), cells, measure_of(trials[trials["dataset"] == dataset]))
        for dataset, cells in ranked.groupby("dataset", sort=False)
    )


def _board(dataset: str, cells: pd.DataFrame, measure: Measure) -> Board:
    kept = cells.head(ROWS_KEPT)
    varying = [axis for axis in AXES[1:] if kept[axis].nunique() > 1] or ["model"]
    tuned = _tuned(cells)
    columns = (
        Column("place", "place"),
        *(Column(axis, "text") for axis in varying),
        *tuned.values(),
        Column(f"test {measure.title}", "interval"),
        Column("n", "count"),
        Column("trials", "text"),
        Column("± sd", "number"),
        *([Column("sd / floor", "ratio")] if cells["over_floor"].notna().any() else []),
        Column("p (Holm)", "number"),
        Column("validation", "number"),
        Column("train − test" if measure.higher_is_better else "test − train", "number"),
        Column("train s", "seconds"),
        Column("parameters", "count"),
    )
    shown = _readable(kept).assign(place=_places(kept))
    shown["interval"] = pd.Series(list(kept[["mean", "low", "high"]].to_numpy()), index=kept.index, dtype=object)
    floor = ["over_floor"] if cells["over_floor"].notna().any() else []
    names = (
        "place",
        *varying,
        *tuned,
        "interval",
        "n",
        "statuses",
        "spread",
        *floor,
        "p",
        "validation",
        "gap",
        "train_seconds",
    )
    fixed = [f"{axis} {kept[axis].iloc[0]}" for axis in AXES[1:] if axis not in varying]
    hit = int((broken(cells) > 0).sum())
    told = f"{len(cells)} cell{'s' * (len(cells) != 1)}" + (f"; all have {', '.join(fixed)}" if fixed else "")
    if hit:
        told += f"; {hit} {'has' if hit == 1 else 'have'} trials that diverged or failed"
    return Board(dataset, told, _grid(columns, shown, (*names, "parameters"), left_out=len(cells) - len(kept)))


def _places(cells: pd.DataFrame) -> list[str]:
    """`=1` for all that cannot be told from the first, `-` for those without a completed trial."""
    shared = int(cells["ties"].sum()) > 1
    ranks = zip(cells["rank"], cells["ties"], strict=True)
    return ["–" if pd.isna(rank) else "=1" if ties and shared else f"{rank:.0f}" for rank, ties in ranks]


def trial_grid(trials: pd.DataFrame) -> Grid:
    """All planned trials, the best of each data set first."""
    measures, tuned = _measures(trials), _tuned(trials)
    columns = (
        Column("trial", "text"),
        *_AXIS_COLUMNS,
        *tuned.values(),
        Column("seed", "label"),
        Column("status", "status"),
        *(Column(title, "number") for title in measures.values()),
        Column("epochs", "count"),
        Column("train s", "seconds"),
    )
    names = ("trial_id", *AXES, *tuned, "seed", "status", *measures, "epochs", "train_seconds")
    return _grid(columns, _readable(_ranked(trials)), names)


def problem_grid(trials: pd.DataFrame) -> Grid:
    """Cells whose trials failed, diverged or were skipped, with the reason and the seeds. trials: of both purposes.

    Those that tune stand last. Where their reasons name the values that they tried, one stands for a cell's all.
    """
    broken = trials[~trials["status"].isin(["completed", "pending", "running"])]
    reasons = broken["reason"].fillna("").map(_one_line)
    tunes = broken["purpose"] == "tuning"
    alike = reasons.mask(tunes & broken["status"].isin(["diverged", "skipped"]), "")
    told = broken.assign(reason=reasons, tunes=tunes, alike=alike).sort_values("tunes", kind="stable")
    rows = [
        (*key, part["reason"].iloc[0], _seeds(part), part["trial_id"].iloc[0])
        for (*key, _, _), part in told.groupby([*AXES, "status", "tunes", "alike"], sort=False)
    ]
    columns = (
        *_AXIS_COLUMNS,
        Column("status", "status"),
        Column("reason", "text"),
        Column("seeds", "text"),
        Column("first trial", "text"),
    )
    return Grid(columns, tuple(rows[:ROWS_KEPT]), max(0, len(rows) - ROWS_KEPT))


def _seeds(trials: pd.DataFrame) -> str:
    """A trial that tunes has no seed of its own."""
    if trials["purpose"].iloc[0] == "tuning":
        return "tuning" if len(trials) == 1 else f"tuning ({len(trials)} trials)"
    return ", ".join(map(str, sorted(trials["seed"])))


def _measures(trials: pd.DataFrame) -> dict[str, str]:
    """Columns of `trials` that hold anything, with their titles."""
    known = {
        "val_accuracy": "val accuracy",
        "test_accuracy": "test accuracy",
        "test_f1_macro": "test F1 (macro)",
        "val_mse": "val MSE",
        "test_mse": "test MSE",
        "test_r2": "test R²",
    }
    return {name: title for name, title in known.items() if trials[name].notna().any()}


def _tuned(trials: pd.DataFrame) -> dict[str, Column]:
    """A column for the values that tuning chose, where it chose any."""
    return {"tuned": Column("tuned", "text")} if trials["tuned"].notna().any() else {}


def _readable(rows: pd.DataFrame) -> pd.DataFrame:
    """With those values for the eye."""
    return rows.assign(tuned=[shown_text(None if pd.isna(text) else text) for text in rows["tuned"]])


def _ranked(trials: pd.DataFrame) -> pd.DataFrame:
    """Data set by data set in the order of the plan, by the data set's validation measure."""
    parts = []
    for _, part in trials.groupby("dataset", sort=False):
        measure = measure_of(part)
        parts.append(best_first(part, measure.validation, measure))
    return pd.concat(parts) if parts else trials


def _grid(columns: tuple[Column, ...], frame: pd.DataFrame, names: Iterable[str], left_out: int = 0) -> Grid:
    kinds = [column.kind for column in columns]
    kept = frame[list(names)].head(ROWS_KEPT)
    rows = tuple(
        tuple(_value(value, kind) for value, kind in zip(row, kinds, strict=True))
        for row in kept.itertuples(index=False, name=None)
    )
    return Grid(columns, rows, left_out + max(0, len(frame) - ROWS_KEPT))


def _value(value: Any, kind: str) -> Field:
    if kind in {"text", "status", "place"}:
        return str(value)
    if kind == "interval":
        return tuple(number(part) for part in value)
    plain = number(value)
    return None if plain is None else int(value) if kind in {"count", "label"} else plain


def _one_line(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"
