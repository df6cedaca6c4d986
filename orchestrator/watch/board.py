"""The cells of a sweep as they stand now, ranked data set by data set by what the grid selects by."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import is_, itemgetter
from typing import Final

from orchestrator.evidence.selection import Measure, Split, measure_among, task_measured
from orchestrator.watch.tally import CellTally, Summary, Tally
from trainables import AXES

CELLS_SHOWN: Final = 500
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


class Boards:
    """Makes boards of a tally; a cell of which no trial has changed is not made again."""

    def __init__(self, tally: Tally, axes: Sequence[Axis]) -> None:
        """axes: of `axes_of`."""
        self._columns = tally.columns
        self._places = [{level: at for at, level in enumerate(axis.levels)} for axis in axes]
        self._parts: dict[str, list[CellTally]] = {}
        for cell in tally.cells:
            self._parts.setdefault(cell.labels[0], []).append(cell)
        self._made: dict[CellTally, tuple[Summary, int | None, BoardCell]] = {}
        self._boards: dict[str, tuple[Split, list[Summary], Board]] = {}

    def now(self, split: Split) -> tuple[Board, ...]:
        """A board for each data set, in the order of the plan."""
        return tuple(self._kept(dataset, cells, split) for dataset, cells in self._parts.items())

    def _kept(self, dataset: str, cells: Sequence[CellTally], split: Split) -> Board:
        summaries = [cell.summary for cell in cells]
        before = self._boards.get(dataset)
        if before is not None and before[0] == split and all(map(is_, before[1], summaries)):
            return before[2]
        board = self._board(dataset, cells, summaries, split)
        self._boards[dataset] = (split, summaries, board)
        return board

    def _board(self, dataset: str, cells: Sequence[CellTally], summaries: Sequence[Summary], split: Split) -> Board:
        columns = self._columns
        measure = replace(_measure(cells, summaries, columns), split=split)
        validation = columns.index(measure.validation)
        test = columns.index(f"test_{measure.name}") if split == "test" else None
        scored = [
            (mean, cell, summary)
            for cell, summary in zip(cells, summaries, strict=True)
            if summary.means and (mean := summary.means[validation]) is not None
        ]
        scored.sort(key=itemgetter(0), reverse=measure.higher_is_better)
        best = max if measure.higher_is_better else min
        trials = tuple(
            BestTrial(best(cell.scored(validation), key=itemgetter(1))[0], cell.labels)
            for _, cell, _ in scored[:BEST_TRIALS]
        )
        shown = tuple(self._cell(cell, summary, mean, test) for mean, cell, summary in scored[:CELLS_SHOWN])
        return Board(dataset, measure, measure.higher_is_better, shown, len(scored) - len(shown), trials)

    def _cell(self, cell: CellTally, summary: Summary, validation: float, test: int | None) -> BoardCell:
        made = self._made.get(cell)
        if made is not None and made[0] is summary and made[1] == test and made[2].validation == validation:
            return made[2]
        found = BoardCell(
            levels=tuple(place[label] for place, label in zip(self._places, cell.labels, strict=True)),
            trials=summary.trials,
            completed=summary.completed,
            broken=summary.broken,
            validation=validation,
            test=None if test is None else summary.means[test],
        )
        self._made[cell] = (summary, test, found)
        return found


def _measure(cells: Sequence[CellTally], summaries: Sequence[Summary], columns: Sequence[str]) -> Measure:
    """What one data set's trials are compared by."""
    ran, planned = Counter[str](), Counter[str]()
    for cell, summary in zip(cells, summaries, strict=True):
        planned[cell.protocol] += summary.trials
        ran[cell.protocol] += summary.ran
    means = [summary.means for summary in summaries if summary.means]

    def is_measured(name: str) -> bool:
        place = columns.index(name)
        return any(of_cell[place] is not None for of_cell in means)

    return measure_among(+ran or planned, task_measured(is_measured))
