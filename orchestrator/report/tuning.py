"""The section on tuning: what was tried for each open parameter, what was chosen, and which choices lie at an edge."""

import json
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import pandas as pd

from orchestrator.evidence.selection import Measure, measure_of
from orchestrator.plan.tuned import shown, shown_value
from orchestrator.report.page_data import Column, DataTable, Tried, Tuning, TuningFigure, alike_in, number
from orchestrator.results.ranked import short_label
from results_schema import BROKEN, OPEN
from trainables import AXES

# Where tuning looks for a parameter's values, as `tuning_config` has it, and whether a value lies at an edge of
# that.

EDGE: Final = 0.05
"""Share of a range, on its scale, that counts as its edge: a search seldom draws an end itself."""
_ORDERED: Final = 3
"""A list of fewer numbers is nothing but edges."""

Edge = Literal["lower", "upper"]


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers between two."""

    low: float
    high: float
    log: bool

    def edge(self, value: Any) -> Edge | None:
        share = math.log(value / self.low) / math.log(self.high / self.low) if self.log else self._share(value)
        return "lower" if share <= EDGE else "upper" if share >= 1 - EDGE else None

    def bands(self) -> tuple[tuple[float, float], ...]:
        """Return both edges, from end to end."""
        return (self.low, self._at(EDGE)), (self._at(1 - EDGE), self.high)

    def place(self, value: Any) -> float:
        """Return the place on the axis of a chart."""
        return float(value)

    def __str__(self) -> str:
        return f"{shown_value(self.low)} to {shown_value(self.high)}"

    def _share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def _at(self, share: float) -> float:
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True, slots=True)
class ValueList:
    """Some values; any JSON. Numbers are in ascending order."""

    texts: tuple[str, ...]
    """JSON of each; numbers for display."""
    numbers: tuple[float, ...]
    """The same; empty where any is no number."""

    @property
    def log(self) -> bool:
        """Whether they are further apart the greater they are: 0.001, 0.01, 0.1."""
        gaps = [upper - lower for lower, upper in pairwise(self.numbers)]
        return bool(gaps) and self.numbers[0] > 0 and gaps[-1] >= 2 * gaps[0]

    def edge(self, value: Any) -> Edge | None:
        if len(self.numbers) < _ORDERED:
            return None
        return "lower" if value == self.numbers[0] else "upper" if value == self.numbers[-1] else None

    def place(self, value: Any) -> float:
        """Return the place on the axis of a chart: the number, or the position in the list."""
        return float(value) if self.numbers else self.texts.index(json.dumps(value, sort_keys=True))

    def places(self) -> tuple[float, ...]:
        """Return the places of all values, in order."""
        return self.numbers or tuple(map(float, range(len(self.texts))))

    def __str__(self) -> str:
        return f"{self.texts[0]} to {self.texts[-1]}"


Domain = Interval | ValueList


def domain_of(written: list[Any]) -> Domain:
    """Read a domain as the grid has it: [low, high, log], [low, high, linear], or a list of values."""
    if len(written) == 3 and written[-1] in ("log", "linear"):
        return Interval(written[0], written[1], written[2] == "log")
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in written):
        numbers = sorted(written)
        return ValueList(tuple(shown_value(number) for number in numbers), tuple(map(float, numbers)))
    return ValueList(tuple(json.dumps(value, sort_keys=True) for value in written), ())


SETTINGS: Final = ["cell_id", "tuning_config", "protocol_config"]
"""Columns of `trials` that hold how a cell is tuned."""
CELLS_KEPT: Final = 40
"""Best cells of each figure."""
TRIALS_KEPT: Final = 100
"""Best trials of a cell in a figure."""
EDGES_KEPT: Final = 20
_REPETITION: Final = ["cell_id", "repetition"]
_ROWS_KEPT: Final = 20_000
_OTHERS: Final = {"values do not fit": {"skipped"}, "still to run": OPEN}
"""Columns that are left out where no cell has such trials."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """A tuning trial."""

    trial_id: str
    status: str
    values: dict[str, Any]
    score: float | None
    epochs: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class _Tuned:
    """A cell that is tuned."""

    dataset: str
    axes: tuple[str, ...]
    label: str
    tuning: str
    """Which of the cell's tunings, `repetition 1` or `fold of seed 1`; empty where it has one."""
    measure: Measure
    domains: dict[str, Domain]
    epochs: int
    """Of a trial that is not stopped."""
    trials: tuple[_Trial, ...]
    """The best first, those without a score last."""
    chosen: int | None
    """Place of the one whose values the seeds run with."""

    @property
    def best(self) -> _Trial:
        """The chosen one, or the best so far."""
        return self.trials[self.chosen or 0]

    def count(self, statuses: Collection[str]) -> int:
        return sum(trial.status in statuses for trial in self.trials)

    def edges(self) -> Iterator[tuple[str, str]]:
        """Yield each chosen value that lies at an edge: the parameter, and where it lies, in words."""
        if self.chosen is None:
            return
        for name, value in self.best.values.items():
            domain = self.domains.get(name)
            edge = None if domain is None else domain.edge(value)
            if edge is not None:
                yield name, f"{name}={shown_value(value)} lies at the {edge} edge of {domain}"


def tuning_section(tuning: pd.DataFrame, evaluation: pd.DataFrame, settings: pd.DataFrame) -> Tuning | None:
    """tuning, evaluation: rows of `trials` of either purpose. settings: `SETTINGS` of at least each cell of `tuning`."""
    if tuning.empty:
        return None
    cells = list(_cells(tuning, evaluation, settings))
    edges = [f"{cell.dataset} · {cell.label}: {words}" for cell in cells for _, words in cell.edges()]
    return Tuning(
        trials=len(tuning),
        summary=_summary(settings[settings["cell_id"].isin(tuning["cell_id"])], _in_folds(tuning, evaluation)),
        figures=tuple(_figures(cells)),
        edges=tuple(edges[:EDGES_KEPT]),
        edges_left_out=max(0, len(edges) - EDGES_KEPT),
        cells=_grid(cells),
    )


def _cells(tuning: pd.DataFrame, evaluation: pd.DataFrame, settings: pd.DataFrame) -> Iterator[_Tuned]:
    """Data set by data set in the order of the plan, the best first in each among those that select by the same."""
    folds = _in_folds(tuning, evaluation)
    chosen = _by_tuning(evaluation[evaluation["tuned"].notna()], folds).groupby(_REPETITION)["tuned"].first()
    by_cell = {row["cell_id"]: row for _, row in settings.iterrows()}
    for _, rows in tuning.groupby("dataset", sort=False):
        found = [
            _cell(part, by_cell[cell_id], chosen.get((cell_id, tuning)), measure_of(part), cell_id in folds)
            for (cell_id, tuning), part in _with_repetition(rows).groupby(_REPETITION, sort=False)
        ]
        yield from sorted(found, key=lambda cell: (cell.measure.title, *_rank(cell.best.score, cell.measure)))


def _in_folds(tuning: pd.DataFrame, evaluation: pd.DataFrame) -> "dict[str, set[int]]":
    """Return the cells that are tuned within each fold, with the seeds that pick these.

    Theirs are tunings with a number, and seeds without: each runs with the choice of its own fold.
    """
    numbered = tuning[tuning["repetition"].notna()].groupby("cell_id")["repetition"]
    repeated = set(evaluation.loc[evaluation["repetition"].notna(), "cell_id"])
    return {str(cell): set(numbers.astype(int)) for cell, numbers in numbered if cell not in repeated}


def _by_tuning(evaluation: pd.DataFrame, folds: "dict[str, set[int]]") -> pd.DataFrame:
    """The rows with the number of the tuning whose choice they run with."""
    rows = _with_repetition(evaluation)
    for cell, seeds in folds.items():  # where seeds do not vary the split, they share one fold
        own = rows["cell_id"] == cell
        rows.loc[own, "repetition"] = rows.loc[own, "seed"].where(rows.loc[own, "seed"].isin(seeds), min(seeds))
    return rows


def _with_repetition(rows: pd.DataFrame) -> pd.DataFrame:
    """Of a cell that is tuned once it is -1."""
    return rows.assign(repetition=rows["repetition"].fillna(-1).astype(int))


def _cell(
    rows: pd.DataFrame, settings: "pd.Series[str]", chosen: str | None, measure: Measure, in_folds: bool
) -> _Tuned:
    epochs = int(json.loads(settings["protocol_config"])["epochs"])
    done = rows["status"] == "completed"
    ran = rows["epochs"].fillna(0)
    trials = [
        _Trial(*row)
        for row in zip(
            rows["trial_id"],
            rows["status"],
            [{} if pd.isna(text) else json.loads(text) for text in rows["tuned"]],
            [number(value) for value in rows[measure.validation].where(done)],
            ran.astype(int),
            done & (ran < epochs),
            strict=True,
        )
    ]
    trials.sort(key=lambda trial: _rank(trial.score, measure))
    values = None if chosen is None else json.loads(chosen)
    places = [place for place, trial in enumerate(trials) if trial.score is not None and trial.values == values]
    first = rows.iloc[0]
    number_of = int(first["repetition"])
    tuning = "" if number_of < 0 else f"{'fold of seed' if in_folds else 'repetition'} {number_of}"
    return _Tuned(
        dataset=str(first["dataset"]),
        axes=tuple(str(first[axis]) for axis in AXES),
        label=short_label(first) + (f" · {tuning}" if tuning else ""),
        tuning=tuning,
        measure=measure,
        domains={name: domain_of(written) for name, written in json.loads(settings["tuning_config"])["space"].items()},
        epochs=epochs,
        trials=tuple(trials),
        chosen=places[0] if places else None,
    )


def _rank(score: float | None, measure: Measure) -> tuple[bool, float]:
    """The better first, those without a score last; equals keep their order."""
    return score is None, 0.0 if score is None else -score if measure.higher_is_better else score


def _summary(settings: pd.DataFrame, folds: Collection[str]) -> str:
    """`tpe search, 12 trials for each cell, stopped early by asha`."""
    sentences = []
    asked = settings.assign(folds=settings["cell_id"].isin(folds))[["tuning_config", "protocol_config", "folds"]]
    for text, protocol, in_folds in asked.drop_duplicates().itertuples(index=False):
        config, select = json.loads(text), json.loads(protocol).get("select")
        stops = "" if config["scheduler"] == "none" else f", stopped early by {config['scheduler']}"
        by = "" if select is None else f", chosen by {select}"
        most = "at most " if config["search"] == "grid" else ""
        times = f", {config['repetitions']} times over" if config.get("repetitions", 1) > 1 else ""
        each = "cell and fold" if in_folds else "cell"
        sentences.append(
            f"{config['search']} search, {most}{config['trials']} trials for each {each}{times}{stops}{by}"
        )
    return "; ".join(dict.fromkeys(sentences))


def _figures(cells: list[_Tuned]) -> Iterator[TuningFigure]:
    """Make a figure for each data set and parameter; another where it was looked for elsewhere, or by another measure."""
    groups: dict[tuple[str, Measure, str, Domain], list[_Tuned]] = {}
    for cell in cells:
        for name, domain in cell.domains.items():
            if any(trial.score is not None for trial in cell.trials):
                groups.setdefault((cell.dataset, cell.measure, name, domain), []).append(cell)
    for (dataset, measure, name, domain), having in groups.items():
        drawn = tuple(_tried(cell, name, domain) for cell in having[:CELLS_KEPT])
        yield TuningFigure(
            dataset=dataset,
            parameter=name,
            title=f"Validation {measure.title}",
            log=domain.log,
            bands=() if isinstance(domain, ValueList) else domain.bands(),
            ticks=domain.places() if isinstance(domain, ValueList) else (),
            names=domain.texts if isinstance(domain, ValueList) else (),
            categorical=isinstance(domain, ValueList) and not domain.numbers,
            cells=drawn,
            left_out=len(having) - len(drawn),
            trials_left_out=sum(max(0, cell.count({"completed"}) - TRIALS_KEPT) for cell in having[:CELLS_KEPT]),
        )


def _tried(cell: _Tuned, name: str, domain: Domain) -> Tried:
    scored = [trial for trial in cell.trials if trial.score is not None and name in trial.values]
    chosen = cell.chosen
    if len(scored) > TRIALS_KEPT:
        kept = scored[:TRIALS_KEPT]
        if chosen is not None and chosen >= TRIALS_KEPT:  # another measure chose it
            kept[-1], chosen = scored[chosen], TRIALS_KEPT - 1
        scored = kept
    broken = [trial for trial in cell.trials if trial.status in BROKEN and name in trial.values]
    return Tried(
        label=cell.label,
        places=tuple(domain.place(trial.values[name]) for trial in scored),
        scores=tuple(trial.score for trial in scored),
        stopped=tuple(trial.stopped for trial in scored),
        notes=tuple(
            f"{shown(trial.values)}, {trial.epochs} of {cell.epochs} epochs, trial {trial.trial_id}" for trial in scored
        ),
        chosen=chosen,
        broken=tuple(domain.place(trial.values[name]) for trial in broken[:TRIALS_KEPT]),
    )


def _grid(cells: list[_Tuned]) -> DataTable:
    titles = {cell.measure.title for cell in cells}
    others = {title: statuses for title, statuses in _OTHERS.items() if any(cell.count(statuses) for cell in cells)}
    several = any(cell.tuning for cell in cells)
    varying, alike = alike_in(dict(zip(AXES, zip(*(cell.axes for cell in cells), strict=True), strict=True)))
    columns = (
        Column(f"validation {titles.pop() if len(titles) == 1 else 'score'}", "number"),
        *(Column(axis, "text") for axis in varying),
        *((Column("tuning", "text"),) if several else ()),
        Column("chosen", "text"),
        Column("at an edge", "text"),
        Column("tuning trials", "count"),
        Column("stopped early", "count"),
        Column("failed or diverged", "count"),
        *(Column(title, "count") for title in others),
    )
    rows = tuple(
        (
            cell.best.score,
            *(level for axis, level in zip(AXES, cell.axes, strict=True) if axis in varying),
            *((cell.tuning,) if several else ()),
            "" if cell.chosen is None else shown(cell.best.values),
            ", ".join(name for name, _ in cell.edges()),
            len(cell.trials),
            sum(trial.stopped for trial in cell.trials),
            cell.count(BROKEN),
            *(cell.count(statuses) for statuses in others.values()),
        )
        for cell in cells[:_ROWS_KEPT]
    )
    return DataTable(columns, rows, max(0, len(cells) - _ROWS_KEPT), alike)
