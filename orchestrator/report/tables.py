"""The tables of the page: leaderboards, trials, and what went wrong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from orchestrator.evidence.selection import MEASURES, SHOWN, Measure, best_first
from orchestrator.plan.tuned import shown_text
from orchestrator.report.page import Board
from orchestrator.report.page_data import Column, DataTable, Field, alike_in, number
from orchestrator.results.per_class import Majority
from orchestrator.results.ranked import broken, counted_as, scope_of
from orchestrator.text import counted
from results_schema import EVALUATION, UNDER_WAY, UPDATE
from trainables import AXES, METHOD_AXES, axes_shown

SHARED_FIRST: Final = "=1"
"""The place of cells that are not told from the first by seeds that could."""
NO_PLACE: Final = "–"
SEEDS: Final = "n"
P: Final = "p (Holm)"
"""Titles of columns that a paper's table keeps."""
ROWS_KEPT: Final = 20_000
"""What a browser still sorts at once."""
_LONGEST_REASON: Final = 300


def boards(ranked: pd.DataFrame, measures: Mapping[str, Measure], baselines: Sequence[Majority]) -> tuple[Board, ...]:
    """The leaderboard of each data set. ranked: of `ranked_cells`. baselines: of some data sets."""
    below = {one.dataset: one for one in baselines}
    return tuple(
        _board(str(dataset), cells, measures[str(dataset)], below.get(str(dataset)))
        for dataset, cells in ranked.groupby("dataset", sort=False)
    )


def _board(dataset: str, cells: pd.DataFrame, measure: Measure, baseline: Majority | None) -> Board:
    kept = cells.head(ROWS_KEPT)
    varying, alike = alike_in({axis: list(cells[axis]) for axis in METHOD_AXES})
    columns = _board_columns(cells, varying, measure)
    shown = _readable(kept).assign(place=_places(kept))
    shown["interval"] = pd.Series(list(kept[["mean", "low", "high"]].to_numpy()), index=kept.index, dtype=object)
    summary = "; ".join(_summary(cells, alike, measure))
    grid = _grid(tuple(columns.values()), shown, columns, left_out=len(cells) - len(kept))
    return Board(dataset, summary, grid if baseline is None else replace(grid, below=(_row(baseline, columns),)))


def _row(baseline: Majority, columns: Mapping[str, Column]) -> tuple[Field, ...]:
    """Of what is no trial: its name stands where those of models do, or of the first axis that varies."""
    named = "model" if "model" in columns else next(axis for axis in METHOD_AXES if axis in columns)
    own: dict[str, Field] = {
        "place": NO_PLACE,
        "interval": (number(baseline.value), None, None),
        named: f"always {baseline.name}",
        "n": 0,
        "statuses": "no trial",
    }
    return tuple(own.get(name, "" if column.kind == "text" else None) for name, column in columns.items())


def _board_columns(cells: pd.DataFrame, varying: Iterable[str], measure: Measure) -> dict[str, Column]:
    """Return columns by the names that they have in `cells`, the score before the names that may be long.

    Until all trials have ended only validation is there.
    """
    after = measure.split == "test"
    gap = ("train", measure.split) if measure.higher_is_better else (measure.split, "train")
    return {
        "place": Column("place", "place"),
        "interval": Column(measure.score, "interval"),
        **{axis: Column(axis, "text") for axis in varying},
        **_tuned(cells),
        "n": Column(SEEDS, "count"),
        "statuses": Column("trials", "text"),
        "spread": Column("± sd", "number"),
        **({"over_floor": Column("sd / floor", "ratio")} if cells["over_floor"].notna().any() else {}),
        **({"p": Column(P, "number"), "validation": Column("validation", "number")} if after else {}),
        "gap": Column(" − ".join(gap), "number"),
        "total_seconds": Column("training s", "seconds"),
        "parameters": Column("parameters", "count"),
    }


def _summary(cells: pd.DataFrame, alike: str, measure: Measure) -> Iterator[str]:
    yield counted(len(cells), "cell")
    if alike:
        yield alike
    if hit := int((broken(cells) > 0).sum()):
        counts = f", which count as {value} in mean, rank and p" if (value := counted_as(cells)) else ""
        yield f"{hit} {'has' if hit == 1 else 'have'} trials that diverged or failed{counts}"
    if scope := scope_of(cells):
        yield scope
    if measure.beside:
        yield f"ranked by validation {measure.title}, though some select by {', '.join(measure.beside)}"


def _places(cells: pd.DataFrame) -> list[str]:
    """`SHARED_FIRST` for all that tie with the first, `NO_PLACE` for those without a completed trial."""
    shared = int(cells["ties"].sum()) > 1
    ranks = zip(cells["rank"], cells["ties"].fillna(False), strict=True)
    return [NO_PLACE if pd.isna(rank) else SHARED_FIRST if ties and shared else f"{rank:.0f}" for rank, ties in ranks]


def trial_grid(trials: pd.DataFrame, measures: Mapping[str, Measure]) -> DataTable:
    """Return all planned trials, the best of each data set first. measures: of each data set."""
    varying, alike = alike_in({axis: list(trials[axis]) for axis in AXES})
    columns = {
        "trial_id": Column("trial", "text"),
        **_scores(trials, measures),
        **{axis: Column(axis, "text") for axis in varying},
        **_tuned(trials),
        "seed": Column("seed", "label"),
        "status": Column("status", "status"),
        "epochs": Column("epochs", "count"),
        "total_seconds": Column("training s", "seconds"),
    }
    return replace(_grid(tuple(columns.values()), _readable(_ranked(trials, measures)), columns), alike=alike)


def problem_grid(trials: pd.DataFrame) -> DataTable:
    """Cells whose trials failed, diverged or were skipped, with the reason and the seeds. trials: of all purposes.

    Those that tune stand last. Where their reasons name the values that they tried, one stands for a cell's all.
    """
    shown = axes_shown(trials["deployment"])
    broken = trials[~trials["status"].isin(UNDER_WAY | {"completed"})]
    reasons = broken["reason"].fillna("").map(_one_line)
    tunes = broken["purpose"] == "tuning"
    alike = reasons.mask(tunes & broken["status"].isin(["diverged", "skipped"]), "")
    purpose = broken["purpose"].fillna(EVALUATION)
    told = {"reason": reasons, "tunes": tunes, "alike": alike, "purpose": purpose}
    problems = broken.assign(**told).sort_values("tunes", kind="stable")
    rows = [
        (*key, part["reason"].iloc[0], _seeds(part), part["trial_id"].iloc[0])
        for (*key, _, _), part in problems.groupby([*shown, "status", "purpose", "alike"], sort=False)
    ]
    columns = (
        *(Column(axis, "text") for axis in shown),
        Column("status", "status"),
        Column("reason", "text"),
        Column("seeds", "text"),
        Column("first trial", "text"),
    )
    return DataTable(columns, tuple(rows[:ROWS_KEPT]), max(0, len(rows) - ROWS_KEPT))


def _seeds(trials: pd.DataFrame) -> str:
    """A trial that tunes has no seed of its own."""
    purpose = trials["purpose"].iloc[0]
    if purpose == "tuning":
        return "tuning" if len(trials) == 1 else f"tuning ({len(trials)} trials)"
    seeds = ", ".join(map(str, sorted(trials["seed"])))
    return f"{purpose}: {seeds}" if purpose == UPDATE else seeds


def _scores(trials: pd.DataFrame, measures: Mapping[str, Measure]) -> dict[str, Column]:
    """Return what the data sets are compared by, and what is usual beside it, where `trials` holds any of it."""
    shown = dict.fromkeys(name for measure in measures.values() for name in (measure.validation, measure.shown))
    splits = ("val",) if any(measure.split == "validation" for measure in measures.values()) else ("val", "test")
    every = dict.fromkeys((*MEASURES, *(replace(one, split="test", beside=()) for one in measures.values())))
    titles = {f"{split}_{one.name}": f"{split} {one.title}" for one in every for split in splits}
    titles |= {name: title for name, title in SHOWN.items() if name.startswith(splits)}
    there = [name for name in titles if (name in shown or name in SHOWN) and trials[name].notna().any()]
    return {name: Column(titles[name], "number") for name in there}


def _tuned(trials: pd.DataFrame) -> dict[str, Column]:
    """A column for the values that tuning chose, where it chose any."""
    return {"tuned": Column("tuned", "text")} if trials["tuned"].notna().any() else {}


def _readable(rows: pd.DataFrame) -> pd.DataFrame:
    """Replace values by those for display."""
    return rows.assign(tuned=[shown_text(None if pd.isna(text) else text) for text in rows["tuned"]])


def _ranked(trials: pd.DataFrame, measures: Mapping[str, Measure]) -> pd.DataFrame:
    """Data set by data set in the order of the plan, by the data set's validation measure."""
    parts = [
        best_first(part, measures[str(dataset)].validation, measures[str(dataset)])
        for dataset, part in trials.groupby("dataset", sort=False)
    ]
    return pd.concat(parts) if parts else trials


def _grid(columns: tuple[Column, ...], frame: pd.DataFrame, names: Iterable[str], left_out: int = 0) -> DataTable:
    kinds = [column.kind for column in columns]
    kept = frame[list(names)].head(ROWS_KEPT)
    rows = tuple(
        tuple(_value(value, kind) for value, kind in zip(row, kinds, strict=True))
        for row in kept.itertuples(index=False, name=None)
    )
    return DataTable(columns, rows, left_out + max(0, len(frame) - ROWS_KEPT))


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
