"""What came first, on fresh seeds: what its lead is worth once the luck of having been chosen is gone."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd
import pyarrow as pa

from orchestrator.evidence.contest import strata_of
from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.selection import SCORES, Measure, is_open, measures_of
from orchestrator.evidence.stats.design import NARROW, WIDE
from orchestrator.evidence.stats.leaderboard import broken_value, rivals, with_broken
from orchestrator.evidence.stats.paired import holm
from orchestrator.evidence.stats.scope import ScopedTest, scoped_test
from orchestrator.grid.claims import ALPHA
from orchestrator.grid.measures import chance_of, measure_named
from orchestrator.results.ranked import COSTS, class_counts, evaluating, ranked_cells, tuned_label
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import counted
from results_schema import BROKEN, CONFIRMATION_TRIALS, OPEN
from trainables import AXES

_COLUMNS: Final = [
    *("trial_id", "cell_id", "purpose", "tuned", "repetition", "planned", *AXES, "seed", "status", *SCORES, *COSTS),
]

# Which cells are to be confirmed.


@dataclass(frozen=True, slots=True)
class Contenders:
    """Of one data set with several cells to choose among."""

    dataset: str
    label: str
    """Of the cell that came first."""
    cells: tuple[str, ...]
    """Its id, and those of the cells that are not told from it."""


def contenders(paths: ResultsPaths) -> tuple[Contenders, ...]:
    """Of each data set of which two cells completed. Raises UserError, DamagedResults."""
    tables = TablesRead(paths)
    trials = evaluating(tables.every_trial(_COLUMNS))
    ranked = ranked_cells(trials, class_counts(trials, tables), KeptPictures(paths))
    return tuple(
        Contenders(str(dataset), tuned_label(cells.iloc[0]), rivals(cells))
        for dataset, cells in ranked.groupby("dataset", sort=False)
        if (cells["n"] > 0).sum() > 1
    )


# What they did on fresh seeds.


@dataclass(frozen=True, slots=True)
class ConfirmedCell:
    """The cell that came first, or a rival of it. What is not a number is not known."""

    dataset: str
    cell_id: str
    cell: str
    role: Literal["first", "rival"]
    measure: str
    """The column of `trials` whose means these are."""
    selected: float
    """The mean over the seeds that chose."""
    selected_n: int
    mean: float
    """The mean over fresh seeds; what broke counts as in the leaderboard."""
    low: float
    high: float
    n: int
    """Fresh seeds that completed."""
    broke: int
    difference: float
    """By how much the first is better than this one, over fresh seeds; of the first itself nothing, as what follows."""
    difference_low: float
    difference_high: float
    p: float
    """Of no difference; Holm over the rivals of the data set."""
    verdict: str | None
    """On whether the first is better: supported, contradicted or inconclusive."""
    scope: str
    withheld: str | None
    """Why there is no verdict, and why the scope is these pictures alone."""

    def as_json(self) -> dict[str, Any]:
        """Numbers that are not known are None."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Of one data set."""

    dataset: str
    cells: tuple[ConfirmedCell, ...]
    """The first, then its rivals; none as long as trials have still to run, or where another cell comes first by now."""
    lines: tuple[str, ...]
    """All of it in words: what became of the first, then a line for each rival."""


def confirmed(paths: ResultsPaths) -> tuple[Confirmation, ...]:
    """Of each data set whose best cells run on fresh seeds; none where `--confirm` was never asked for.

    Raises UserError, DamagedResults.
    """
    tables = TablesRead(paths)
    fresh = tables.needed(CONFIRMATION_TRIALS, _COLUMNS)
    if fresh.empty:
        return ()
    trials, pictures = evaluating(tables.every_trial(_COLUMNS)), KeptPictures(paths)
    classes = class_counts(trials, tables)
    ranked, measures = ranked_cells(trials, classes, pictures), measures_of(trials)
    found = []
    for name, own in fresh.groupby("dataset", sort=False):
        dataset = str(name)
        cells = ranked[ranked["dataset"] == dataset]
        contest = _Contest(
            dataset,
            measures[dataset],
            cells,
            trials[trials["dataset"] == dataset],
            own,
            classes.get(dataset, 0),
            pictures,
        )
        found.append(contest.result(under_way=is_open(trials["status"])))
    return tuple(found)


_NUMBERS: Final = {"selected_n": pa.int64(), "n": pa.int64(), "broke": pa.int64()}
_TEXTS: Final = {"dataset", "cell_id", "cell", "role", "measure", "verdict", "scope", "withheld"}


def confirmed_table(found: tuple[Confirmation, ...]) -> pa.Table:
    """A row for each cell that was confirmed, or a rival of such a one."""
    names = ConfirmedCell.__dataclass_fields__
    types = [(name, pa.string() if name in _TEXTS else _NUMBERS.get(name, pa.float64())) for name in names]
    return pa.Table.from_pylist([cell.as_json() for one in found for cell in one.cells], pa.schema(types))


@dataclass(frozen=True)
class _Contest:
    """The cells of one data set."""

    dataset: str
    measure: Measure
    ranked: pd.DataFrame
    trials: pd.DataFrame
    """Those that chose."""
    fresh: pd.DataFrame
    classes: int
    pictures: KeptPictures

    def result(self, *, under_way: bool) -> Confirmation:
        if under_way or (waiting := int(self.fresh["status"].isin(OPEN).sum())):
            left = (
                "trials of the grid"
                if under_way
                else f"{waiting} of {counted(len(self.fresh), 'trial')} on fresh seeds"
            )
            return self._nothing(f"{left} have still to run: nothing is confirmed before they have ended")
        first = self.ranked.iloc[0]
        if first["cell_id"] not in set(self.fresh["cell_id"]):
            return self._nothing(
                f"{tuned_label(first)} now comes first, but has no fresh seeds; `orch sweep GRID --confirm` gives it some"
            )
        cells = tuple(self._cells())
        return Confirmation(self.dataset, cells, tuple(_lines(cells, self.measure)))

    def _nothing(self, why: str) -> Confirmation:
        return Confirmation(self.dataset, (), (f"{self.dataset}: {why}",))

    def _cells(self) -> Iterator[ConfirmedCell]:
        there = self.ranked[self.ranked["cell_id"].isin(self.fresh["cell_id"])]
        sign = 1.0 if self.measure.higher_is_better else -1.0
        first, others = str(there["cell_id"].iloc[0]), [str(cell) for cell in there["cell_id"].iloc[1:]]
        against = {other: self._test({first: sign, other: -sign}) for other in others}
        known = {other: test for other, test in against.items() if test is not None}
        corrected = holm([1.0 if test.withheld else test.p for test in known.values()]).tolist()
        p = dict(zip(known, corrected, strict=True))
        for _, row in there.iterrows():
            cell_id = str(row["cell_id"])
            yield self._cell(row, against.get(cell_id), p.get(cell_id, math.nan))

    def _cell(self, row: "pd.Series[Any]", against: ScopedTest | None, p: float) -> ConfirmedCell:
        nan, cell_id = math.nan, str(row["cell_id"])
        own, alone = self.fresh[self.fresh["cell_id"] == cell_id], self._test({cell_id: 1.0})
        reasons = [test.withheld for test in (against, alone) if test is not None and test.withheld]
        decided = against is not None and not against.withheld
        first = cell_id == str(self.ranked["cell_id"].iloc[0])
        return ConfirmedCell(
            dataset=self.dataset,
            cell_id=cell_id,
            cell=tuned_label(row),
            role="first" if first else "rival",
            measure=self.measure.shown,
            selected=float(row["mean"]),
            selected_n=int(row["n"]),
            mean=nan if alone is None else alone.effect,
            low=nan if alone is None else alone.low,
            high=nan if alone is None else alone.high,
            n=int((own["status"] == "completed").sum()),
            broke=int(own["status"].isin(BROKEN).sum()),
            difference=nan if against is None else against.effect,
            difference_low=nan if against is None else against.low,
            difference_high=nan if against is None else against.high,
            p=p if decided else nan,
            verdict=None if first else _verdict(against, p) if decided and against is not None else "inconclusive",
            scope=NARROW if reasons else WIDE,
            withheld=reasons[0] if reasons else None,
        )

    def _test(self, weights: Mapping[str, float]) -> ScopedTest | None:
        column = self.measure.shown
        on, chance = measure_named(column), chance_of(column, self.classes)
        assert on is not None, "what is selected by is a column"
        both = pd.concat([self.trials, self.fresh])
        floor = broken_value(both, column, higher_is_better=self.measure.higher_is_better, chance=chance)
        strata = strata_of(weights, self.fresh, with_broken(self.fresh, column, floor), on, self.pictures)
        return scoped_test(strata, 0.0, WIDE) if strata else None


def _verdict(against: ScopedTest, p: float) -> str:
    if not p <= ALPHA:
        return "inconclusive"
    return "supported" if against.effect > 0 else "contradicted"


def _lines(cells: tuple[ConfirmedCell, ...], measure: Measure) -> Iterator[str]:
    first, *others = cells
    off = (first.selected - first.mean) * (1 if measure.higher_is_better else -1)
    lost = "" if math.isnan(off) else f", {abs(off):.4f} {'worse' if off > 0 else 'better'} than when it was chosen"
    yield (
        f"{first.dataset}: {first.cell} came first, its mean {measure.score} {first.selected:.4f} over the"
        f" {counted(first.selected_n, 'seed')} that chose it; over {counted(first.n + first.broke, 'fresh seed')} it is"
        f" {first.mean:.4f}{_interval(first.low, first.high)}, about {first.scope}{_broke(first)}{lost}"
    )
    for other in others:
        words = f"better than {other.cell} ({other.mean:.4f}{_broke(other)}): {other.verdict}"
        effect = f"difference {other.difference:.4g}{_interval(other.difference_low, other.difference_high)}"
        sure = f"withheld: {other.withheld}" if other.withheld else f"p = {other.p:.4g} after Holm"
        yield f"{words}; {effect}, {sure}"


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" [{low:.4g}, {high:.4g}]"


def _broke(cell: ConfirmedCell) -> str:
    return f", {cell.broke} of them broken" if cell.broke else ""
