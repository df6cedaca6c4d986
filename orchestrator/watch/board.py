"""The cells of a sweep as they stand now, ranked data set by data set by what the grid selects by."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Final

from orchestrator.evidence.selection import Measure, Split, measure_among, task_measured
from orchestrator.watch.tally import CellTally, Tally
from trainables import AXES

CELLS_SHOWN: Final = 1_000
"""Of each data set, the best first."""
BEST_TRIALS: Final = 4
"""Of each data set, whose curves are shown beside those that grow."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of the grid with the labels of its levels, in the order of the plan."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BoardCell:
    """A cell with at least one completed trial."""

    levels: tuple[int, ...]
    """Of each axis, the place of its level in `Axis.levels`."""
    trials: int
    completed: int
    broken: int
    """Trials that diverged or failed, which the means leave out."""
    validation: float
    """Mean over completed trials of what cells are ranked by."""
    test: float | None
    """The same of the test split; None as long as trials have still to run."""


@dataclass(frozen=True, slots=True)
class BestTrial:
    """The best trial of one of the first cells."""

    trial_id: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The cells of one data set."""

    dataset: str
    measure: Measure
    """What they are compared by."""
    higher_is_better: bool
    cells: tuple[BoardCell, ...]
    """The best first."""
    left_out: int
    """Cells beyond `CELLS_SHOWN`."""
    best: tuple[BestTrial, ...]


def axes_of(tally: Tally) -> tuple[Axis, ...]:
    """The axes on which the cells lie."""
    labels = zip(*(cell.labels for cell in tally.cells), strict=True) if tally.cells else ((),) * len(AXES)
    return tuple(Axis(name, tuple(dict.fromkeys(found))) for name, found in zip(AXES, labels, strict=True))


def boards_of(tally: Tally, axes: Sequence[Axis], split: Split) -> tuple[Board, ...]:
    """A board for each data set, in the order of the plan. axes: of `axes_of`."""
    places = [{level: at for at, level in enumerate(axis.levels)} for axis in axes]
    parts: dict[str, list[CellTally]] = {}
    for cell in tally.cells:
        parts.setdefault(cell.labels[0], []).append(cell)
    return tuple(_board(dataset, cells, places, tally.columns, split) for dataset, cells in parts.items())


def _board(
    dataset: str, cells: Sequence[CellTally], places: Sequence[Mapping[str, int]], columns: Sequence[str], split: Split
) -> Board:
    measure = replace(_measure(cells, columns), split=split)
    validation, test = columns.index(measure.validation), columns.index(f"test_{measure.name}")
    scored = [(mean, cell) for cell in cells if (mean := cell.mean(validation)) is not None]
    scored.sort(key=lambda pair: pair[0], reverse=measure.higher_is_better)
    shown = tuple(
        BoardCell(
            levels=tuple(place[label] for place, label in zip(places, cell.labels, strict=True)),
            trials=cell.summary.trials,
            completed=cell.summary.completed,
            broken=cell.summary.broken,
            validation=mean,
            test=cell.mean(test) if split == "test" else None,
        )
        for mean, cell in scored[:CELLS_SHOWN]
    )
    best = max if measure.higher_is_better else min
    trials = tuple(
        BestTrial(best(cell.scored(validation), key=lambda pair: pair[1])[0], cell.labels)
        for _, cell in islice(scored, BEST_TRIALS)
    )
    return Board(dataset, measure, measure.higher_is_better, shown, len(scored) - len(shown), trials)


def _measure(cells: Sequence[CellTally], columns: Sequence[str]) -> Measure:
    """What one data set's trials are compared by."""
    ran, planned = Counter[str](), Counter[str]()
    for cell in cells:
        planned[cell.protocol] += cell.summary.trials
        ran[cell.protocol] += cell.summary.ran
    protocols: Mapping[str, int] = +ran or planned
    return measure_among(protocols, task_measured(partial(_is_measured, cells, columns)))


def _is_measured(cells: Sequence[CellTally], columns: Sequence[str], name: str) -> bool:
    return any(cell.mean(columns.index(name)) is not None for cell in cells)
