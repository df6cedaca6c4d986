"""What a sweep is to run: every cell of a grid, with its settings, its identity, or the reason why it is skipped.

Pure and lazy: a million trials are counted without being made, and made one at a time.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from orchestrator.cell import Cell, Settings
from orchestrator.errors import Problem
from orchestrator.grid import GridSpec
from orchestrator.grid.cells import Combination, Walk
from orchestrator.grid.data import LocatedData, locate
from orchestrator.grid.levels import Level, meaning
from orchestrator.grid.models import LocatedModels
from orchestrator.grid.support import Support
from results_schema import OPEN, RETRYABLE
from trainables.component import Component
from trainables.dataset import DataPlace
from trainables.spec import cell_identity, trial_identity


class PlannedTrial(NamedTuple):
    """A cell and a seed."""

    cell: Cell
    seed: int
    trial_id: str


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """How much a plan holds, and how much of it there is already."""

    cells: int
    trials: int
    """Rows of the `trials` table: those of skipped cells are among them."""
    skipped: dict[str, int]
    """Reason to the number of cells that are skipped for it."""
    skipped_trials: int
    done: int
    """Trials that are completed or diverged."""
    failed: int
    """Trials that failed, timed out or ran out of memory; they run again with `--retry` only."""
    to_run: int
    """Trials that would run now, without `--retry`."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a results directory has already."""

    cell_ids: Collection[str]
    statuses: Mapping[str, str]
    """Trial id to status."""


class Plan:
    """The cells and trials of a grid on this machine's data."""

    def __init__(self, grid: GridSpec, place: DataPlace, *, download: bool = False) -> None:
        """download: fetch what is missing and can be downloaded. Raises GridError where data cannot be used."""
        self.grid = grid
        levels = [level for cells in (grid.axes, *grid.include) for level in cells.dataset]
        self._located = locate(levels, place, grid.path, download)
        self._models = LocatedModels((grid.axes, *grid.include), place, grid.path, download)
        self._walk = Walk(grid)
        self._support = Support()
        self._settings: dict[int, Settings] = {}
        self._by_level: dict[Level, LocatedData] = {}

    @property
    def data(self) -> tuple[LocatedData, ...]:
        """The data sets, each once."""
        return tuple(dict.fromkeys(self._located.values()))

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there and would be downloaded by a sweep."""
        data = (data.missing for data in self.data if data.missing is not None)
        return (*data, *self._models.missing)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed and may be a mistake."""
        return self.grid.warnings

    def cells(self) -> Iterator[Cell]:
        """Every cell once, skipped ones among them, the data set changing slowest."""
        if not self._may_repeat:
            yield from map(self._cell, self._walk)
            return
        seen: set[tuple[object, ...]] = set()
        for skipped in (False, True):  # a cell that runs goes before an equal one that is excluded
            for cell in map(self._cell, self._walk):
                if (cell.skip is not None) is skipped and (key := _key(cell)) not in seen:
                    seen.add(key)
                    yield cell

    def trials(self) -> Iterator[PlannedTrial]:
        """Every trial, those of skipped cells among them. Raises DataMissing where the data is not there."""
        seeds = self.grid.seeds
        for cell in self.cells():
            identity = cell.identity
            for seed in seeds:
                yield PlannedTrial(cell, seed, trial_identity(identity, seed))

    def among(self, cell_ids: Collection[str]) -> Iterator[Cell]:
        """The cells that run and whose ids are among these, each once; a cell whose data is missing has none.

        For few ids in a large grid: no cell is made that is not among them.
        """
        wanted = {bytes.fromhex(cell_id) for cell_id in cell_ids}
        for combination in self._walk if wanted else ():
            identity = self._identity(combination)
            if identity not in wanted:
                continue
            cell = self._cell(combination)
            if cell.skip is None:
                yield cell
                wanted.discard(identity)

    def counts(self, kept: Kept | None = None) -> PlanCounts:
        """How much there is. kept: what the results directory has; no id is computed without."""
        tally = self._tally()
        cells, seeds = sum(tally.values()), len(self.grid.seeds)
        skipped = {reason: count for reason, count in tally.items() if reason is not None}
        known = self._known(kept) if kept else Counter()
        failed = sum(count for status, count in known.items() if status in RETRYABLE)
        done = sum(count for status, count in known.items() if status not in RETRYABLE | OPEN | {"skipped"})
        return PlanCounts(
            cells=cells,
            trials=cells * seeds,
            skipped=skipped,
            skipped_trials=sum(skipped.values()) * seeds,
            done=done,
            failed=failed,
            to_run=tally[None] * seeds - done - failed,
        )

    def _tally(self) -> Counter[str | None]:
        """Reasons (None for cells that run) to cells."""
        if self._may_repeat:
            return Counter(cell.skip for cell in self.cells())
        while True:
            looked_at = {component: self._support.reads(component) for component in self._components}
            tally: Counter[str | None] = Counter()
            for combination, count in self._walk.alike(looked_at):
                tally[self._cell(combination).skip] += count
            if looked_at == {component: self._support.reads(component) for component in self._components}:
                return tally

    def _known(self, kept: Kept) -> Counter[str]:
        """Statuses to the trials that have them and are not skipped."""
        ids = (cell.trial_ids(self.grid.seeds) for cell in self.among(kept.cell_ids))
        return Counter(kept.statuses[trial] for trials in ids for trial in trials if trial in kept.statuses)

    def _identity(self, combination: Combination) -> bytes:
        """Of the combination's cell, without making it; empty where its data is missing."""
        dataset, model, optimizer, regularizer, rules = combination
        data, overriding = self._data(dataset), self._walk.overriding(rules)
        if data.missing is not None:
            return b""
        if overriding and self._changes_components:
            return self._resolved(combination).identity
        return cell_identity(
            data.digest,
            self._models.of(model).digest,
            optimizer.digest,
            regularizer.combined_digest,
            self._under(overriding).digest,
        )

    def _cell(self, combination: Combination) -> Cell:
        cell = self._resolved(combination)
        reason = self._reason(combination, cell)
        return cell if reason is None else cell._replace(skip=reason)

    def _resolved(self, combination: Combination) -> Cell:
        """A combination under the overrides that hold for it."""
        dataset, model, optimizer, regularizer, rules = combination
        overriding = self._walk.overriding(rules)
        if overriding:
            for override in self._walk.overrides(overriding):
                model = model.changed(override.components.get("model", {}))
                optimizer = optimizer.changed(override.components.get("optimizer", {}))
                regularizer = regularizer.changed(override.components.get("regularizer", {}))
        return Cell(self._data(dataset), self._models.of(model), optimizer, regularizer, self._under(overriding), None)

    def _reason(self, combination: Combination, cell: Cell) -> str | None:
        return (
            self._walk.excluded_by(combination.rules)
            or cell.data.unsupported
            or self._support.of_model(cell.data, cell.model)
            or self._support.of_regularizers(cell.data, cell.model, cell.regularizer)
            or self._support.of_optimizer(cell.data, cell.model, cell.optimizer, cell.regularizer)
            or self._support.of_settings(cell.data, cell.protocol, cell.resources)
        )

    def _under(self, overriding: int) -> Settings:
        if overriding not in self._settings:
            protocol, resources = self.grid.settings(self._walk.overrides(overriding))
            self._settings[overriding] = Settings(protocol, resources, protocol.digest())
        return self._settings[overriding]

    def _data(self, level: Level) -> LocatedData:
        if level not in self._by_level:
            self._by_level[level] = self._located[meaning(level.parts)]
        return self._by_level[level]

    @property
    def of_one_model(self) -> bool:
        """Whether all cells surely have the same model on the same data."""
        models = len(self.grid.axes.model)
        return models == len(self.data) == 1 and not self.grid.include and not self._changes_components

    @cached_property
    def _components(self) -> frozenset[type[Component]]:
        return frozenset(component for axis in self.grid.axes for component in axis.components)

    @cached_property
    def _may_repeat(self) -> bool:
        """Whether different combinations can come to the same cell."""
        return (
            bool(self.grid.zip)
            or self._changes_components
            or len(self.data) < len(self._located)
            or self._models.hides_differences
            or any(axis.hides_differences for axis in self.grid.axes[1:])
        )

    @cached_property
    def _changes_components(self) -> bool:
        """Whether an override sets more than the protocol and the resources."""
        return any(override.components for override in self.grid.overrides)


def _key(cell: Cell) -> tuple[object, ...]:
    data = id(cell.data) if cell.data.missing else cell.data.digest
    return (data, cell.model.digest, cell.optimizer.digest, cell.regularizer.combined_digest, cell.settings.digest)
