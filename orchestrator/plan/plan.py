"""What a sweep is to run: every cell of a grid, with its settings, its identity, or the reason why it is skipped.

Pure and lazy: a million trials are counted without being made, and made one at a time.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, partial
from typing import NamedTuple

from orchestrator.errors import Problem
from orchestrator.grid import GridSpec
from orchestrator.grid.claims import min_seeds
from orchestrator.grid.levels import Level, meaning
from orchestrator.grid.mistakes import grid_error
from orchestrator.plan.beside import Beside
from orchestrator.plan.cell import Cell, deploys, identity_of
from orchestrator.plan.class_check import unknown_classes
from orchestrator.plan.column_check import DataColumns
from orchestrator.plan.combine import Combination, GridIterator
from orchestrator.plan.confirmation import ConfirmationSeeds
from orchestrator.plan.counts import CellOutcome, ExistingResults, Lacks, PlanCounts, outlook_of
from orchestrator.plan.effective import EffectiveSettings, untunable
from orchestrator.plan.extra_seeds import AddedSeeds
from orchestrator.plan.resolve import LocatedData, LocatedModels, locate
from orchestrator.plan.support import Support
from results_schema import OPEN, RETRYABLE
from trainables.component import Component
from trainables.data.subset import SeededSplit
from trainables.dataset import DataLocation
from trainables.spec import trial_identity, variant_identity


def _nothing(_: Cell) -> None:
    return None


class PlannedTrial(NamedTuple):
    """A cell and a seed."""

    cell: Cell
    seed: int
    trial_id: str


class Plan:
    """The cells and trials of a grid on this machine's data."""

    def __init__(self, grid: GridSpec, location: DataLocation, *, download: bool = False) -> None:
        """download: fetch what is missing and can be downloaded. Raises GridError where data cannot be used."""
        self.grid = grid
        levels = [level for cells in (grid.axes, *grid.include) for level in cells.dataset]
        self.dividing = SeededSplit(grid.protocol.splits, grid.seeds[0], grid.protocol.validation_per_class)
        self._located = locate(levels, location, grid.path, download, self.dividing)
        self.columns = DataColumns(self.data, location)
        """Of the data's files."""
        if unknown := [*unknown_classes(grid, self.data), *self.columns.mistakes(grid)]:
            raise grid_error(grid.path, unknown)
        self._models = LocatedModels((grid.axes, *grid.include), location, grid.path, download)
        self._walk = GridIterator(grid)
        self._support = Support()
        self._beside = Beside(grid, self.data, self.columns, self._support, location, self.dividing)
        self._settings = EffectiveSettings(grid, self._walk)
        self._by_level: dict[Level, LocatedData] = {}
        self.added = AddedSeeds()
        """Seeds that some cells have beyond the grid's."""
        self.confirming = ConfirmationSeeds()
        """Fresh seeds of the cells that were chosen by those."""

    @property
    def data(self) -> tuple[LocatedData, ...]:
        """The data sets, each once."""
        return tuple(dict.fromkeys(self._located.values()))

    @property
    def every_data(self) -> tuple[LocatedData, ...]:
        """The same, and each as the streams along which nets are trained again."""
        return (*self.data, *self._beside.streams)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there and would be downloaded by a sweep."""
        data = (data.missing for data in self.data if data.missing is not None)
        return (*data, *self._models.missing)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed and may be a mistake."""
        return (*self._doubtful, *filter(None, map(self._left_out, self.data)))

    def _left_out(self, data: LocatedData) -> Problem | None:
        at, message = data.level.parts[0].at("path"), data.left_out
        return None if message is None else Problem(str(self.grid.path), at.line, at.column, message)

    @property
    def _doubtful(self) -> tuple[Problem, ...]:
        claims, least = self.grid.claims, min_seeds(self.grid.tests)
        if not claims or self.grid.most is not None or len(self.grid.seeds) * len(self.data) >= least:
            return self.grid.warnings
        at = claims[0].at
        family = "" if self.grid.tests == len(claims) else f" of a family of {self.grid.tests}"
        message = (
            f"{len(self.grid.seeds)} seeds cannot decide any of {len(claims)} claims{family}; it takes at least {least}"
        )
        return (*self.grid.warnings, Problem(str(self.grid.path), at.line, at.column, message))

    def cells(self) -> Iterator[Cell]:
        """Yield every cell once, skipped ones among them, the data set changing slowest; behind each what measures it, and
        its nets along a stream.
        """
        for cell in self._combined():
            yield cell
            yield from self._beside.cells(cell)

    def _combined(self) -> Iterator[Cell]:
        if not self._may_repeat:
            yield from map(self._cell, self._walk)
            return
        seen: set[bytes] = set()
        for skipped in (False, True):  # a cell that runs goes before an equal one that is excluded
            for cell in map(self._cell, self._walk):
                if (cell.skip is not None) is skipped and (key := _key(cell)) not in seen:
                    seen.add(key)
                    yield cell

    def trials(self) -> Iterator[PlannedTrial]:
        """Every cell with each of its seeds, skipped ones among them. Raises DataMissing where the data is not there."""
        for cell in self.cells():
            identity = cell.identity
            for seed in self.seeds_of(cell):
                yield PlannedTrial(cell, seed, trial_identity(identity, seed))

    def seeds_of(self, cell: Cell) -> Sequence[int]:
        """The grid's seeds, and what has been added to them for this cell; those that confirm it last."""
        if cell.is_update:
            return self.grid.seeds
        fresh = self.fresh_seeds_of(cell) if cell.measurement is None else ()
        return (*self._choosing(cell), *fresh) if fresh else self._choosing(cell)

    def fresh_seeds_of(self, cell: Cell) -> Sequence[int]:
        """Those that confirm it."""
        return self.confirming.of(self._and_made_of_it(cell), self._choosing(cell)) if self.confirming.cells else ()

    def _choosing(self, cell: Cell) -> Sequence[int]:
        return self.added.of(self._and_made_of_it(cell), self.grid.seeds) if self.added.cells else self.grid.seeds

    def _and_made_of_it(self, cell: Cell) -> Sequence[str]:
        """The ids of a cell and, where it trains, of those that need its nets for each of their seeds."""
        if cell.measurement is not None:  # whatever seeds are trained are measured
            return self._and_made_of_it(cell._replace(measurement=None))
        if cell.is_variant or not self._deployments:
            return (cell.cell_id,)
        return (cell.cell_id, *(variant_identity(cell.identity, digest).hex() for digest in self._deployments))

    def resolved(self) -> Iterator[Cell]:
        """Yield the cell of every combination, without a look at whether it runs; equal ones may come again."""
        return map(self._resolved, self._walk)

    def among(self, cell_ids: Collection[str], *, skipped: bool = False) -> Iterator[Cell]:
        """The cells that run and whose ids are among these, each once; a cell whose data is missing has none.

        For few ids in a large grid: no cell is made that is not among them. skipped: those that do not run are wanted too.
        """
        wanted = {bytes.fromhex(cell_id) for cell_id in cell_ids}
        combinations = iter(self._walk)
        while wanted and (combination := next(combinations, None)) is not None:
            identity = self._identity(combination)
            here = wanted & {identity, *self._beside.identities(identity, partial(self._resolved, combination))}
            if not here:
                continue
            cell = self._cell(combination)
            for found in (cell, *self._beside.cells(cell)):
                if found.identity in here and (found.skip is None or skipped):
                    yield found
                    wanted.discard(found.identity)

    def counts(self, kept: ExistingResults | None = None, lacks: Lacks = _nothing) -> PlanCounts:
        """How much there is. kept: what the results directory has; no id is computed without. lacks: why a trial of a cell
        has no room where it would run, or None.
        """
        tally = self._tally(lacks)
        cells, seeds = sum(tally.values()), len(self.grid.seeds)
        measuring = sum(count for outlook, count in tally.items() if outlook.measures)
        updating = sum(count for outlook, count in tally.items() if outlook.is_update)
        skipped: Counter[str] = Counter()
        without: Counter[str] = Counter()
        for outlook, count in tally.items():
            skipped.update({} if outlook.skip is None else {outlook.skip: count})
            without.update({} if outlook.lacks is None else {outlook.lacks: count * (seeds + outlook.tuning)})
        tuning = sum(outlook.tuning * count for outlook, count in tally.items())
        fused: Counter[int] = Counter()
        alone: Counter[str] = Counter()
        for outlook, count in tally.items():
            fused.update({outlook.fuse: count * seeds} if outlook.fuse > 1 else {})
            alone.update({} if outlook.alone is None else {outlook.alone: count * (seeds + outlook.tuning)})
        known = self._known(kept) if kept else Counter()
        if kept and without:
            without -= self._ended(kept, lacks)
        added = self._added(kept) if kept and (self.added.cells or self.confirming.cells) else 0
        failed = sum(count for status, count in known.items() if status in RETRYABLE)
        done = sum(count for status, count in known.items() if status not in RETRYABLE | OPEN | {"skipped"})
        return PlanCounts(
            cells=cells - measuring - updating,
            trials=cells * seeds + tuning + added,
            tuning_trials=tuning,
            variants=sum(count for outlook, count in tally.items() if outlook.is_variant) * seeds,
            measurements=measuring * seeds,
            updates=updating * seeds,
            confirmation_trials=self._confirming() if kept and self.confirming.cells else 0,
            skipped=dict(skipped),
            skipped_trials=sum(skipped.values()) * seeds,
            done=done,
            failed=failed,
            to_run=(cells - skipped.total()) * seeds + tuning + added - done - failed - without.total(),
            without_room=dict(without),
            fused=dict(fused),
            alone=dict(alone),
            unpredicted=self._unpredicted(kept) if kept and kept.unpredicted else 0,
            unweighted=tuple(self._unweighted(kept)) if kept and kept.unweighted else (),
        )

    def _unpredicted(self, kept: ExistingResults) -> int:
        keeping = (cell for cell in self.among(kept.cell_ids) if cell.keeps_predictions)
        return sum(trial in kept.unpredicted for cell in keeping for trial in cell.trial_ids(self.seeds_of(cell)))

    def _unweighted(self, kept: ExistingResults) -> Iterator[float]:
        """Seconds of each trial whose weights the grid has kept, and of which there are none."""
        for cell in self.among(kept.cell_ids):
            if cell.protocol.keep_weights != "none":
                ids = cell.trial_ids(self.seeds_of(cell))
                yield from (kept.unweighted[trial] for trial in ids if trial in kept.unweighted)

    def _confirming(self) -> int:
        return sum(len(self.fresh_seeds_of(cell)) for cell in self.among(self.confirming.cells))

    def _added(self, kept: ExistingResults) -> int:
        given = {*self.added.cells, *self.confirming.cells}
        cells = [*self.among(given)]
        parents = {cell.parent_cell_id for cell in cells if cell.has_parent} - given
        every = (each for cell in (*cells, *self.among(parents)) for each in (cell, *self._beside.cells(cell)))
        return sum(map(self._added_to, every))

    def _added_to(self, cell: Cell) -> int:
        """Count the trials that a cell has for seeds beyond the grid's."""
        seeds, own = self.seeds_of(cell), self.grid.seeds
        return len(seeds) - len(own) + cell.tuning_total(seeds) - cell.tuning_total(own)

    def _ended(self, kept: ExistingResults, lacks: Lacks) -> Counter[str]:
        """Count by reason, of cells without room, the trials that ended where they had room, less those that were added."""
        ended: Counter[str] = Counter()
        for cell in self.among(kept.cell_ids):
            if (reason := lacks(cell)) is not None:
                known = self._known_of(cell, kept)
                ended[reason] += known.total() - sum(known[status] for status in OPEN | {"skipped"})
                ended[reason] -= self._added_to(cell)
        return ended

    def _tally(self, lacks: Lacks) -> "Counter[CellOutcome]":
        """Return what becomes of cells, to the number of such cells."""
        if self._may_repeat:
            return Counter(outlook_of(cell, lacks, self.grid.seeds) for cell in self.cells())
        while True:
            looked_at = {component: self._support.reads(component) for component in self._components}
            tally: Counter[CellOutcome] = Counter()
            for combination, count in self._walk.alike(looked_at):
                cell = self._cell(combination)
                for each in (cell, *self._beside.cells(cell)):
                    tally[outlook_of(each, lacks, self.grid.seeds)] += count
            if looked_at == {component: self._support.reads(component) for component in self._components}:
                return tally

    def _known(self, kept: ExistingResults) -> Counter[str]:
        """Statuses to the trials that have them and are not skipped."""
        known: Counter[str] = Counter()
        for cell in self.among(kept.cell_ids):
            known.update(self._known_of(cell, kept))
        return known

    def _known_of(self, cell: Cell, kept: ExistingResults) -> Counter[str]:
        """The same of one cell; a tuning trial that was skipped, for what it drew, is done."""
        known = Counter(kept.statuses[trial] for trial in cell.trial_ids(self.seeds_of(cell)) if trial in kept.statuses)
        tuning_ids = cell.tuning_ids(self.seeds_of(cell))
        tuning = [kept.statuses[trial] for trial in tuning_ids if trial in kept.statuses]
        known.update("completed" if status == "skipped" else status for status in tuning)
        return known

    def _identity(self, combination: Combination) -> bytes:
        """Compute the identity of the combination's cell, without making it; empty where its data is missing."""
        dataset, model, optimizer, regularizer, deployment, rules = combination
        data, overriding = self._data(dataset), self._walk.overriding(rules)
        if data.missing is not None:
            return b""
        if overriding and self._changes_components:
            return self._resolved(combination).identity
        levels = self._models.of(model), optimizer, regularizer, deployment
        return identity_of(data.digest, *levels, self._settings.of(combination, data.info))

    def _cell(self, combination: Combination) -> Cell:
        cell = self._resolved(combination)
        reason = self._reason(combination, cell)
        return cell if reason is None else cell._replace(skip=reason)

    def _resolved(self, combination: Combination) -> Cell:
        """A combination under the overrides that hold for it."""
        dataset, model, optimizer, regularizer, deployment, rules = combination
        overriding = self._walk.overriding(rules)
        if overriding:
            for override in self._walk.overrides(overriding):
                model = model.changed(override.components.get("model", {}))
                optimizer = optimizer.changed(override.components.get("optimizer", {}))
                regularizer = regularizer.changed(override.components.get("regularizer", {}))
        data = self._data(dataset)
        settings = self._settings.of(combination, data.info)
        return Cell(data, self._models.of(model), optimizer, regularizer, deployment, settings, None)

    def _reason(self, combination: Combination, cell: Cell) -> str | None:
        return (
            self._walk.excluded_by(combination.rules)
            or cell.data.unsupported
            or self._support.of_model(cell.data, cell.model)
            or self._support.of_regularizers(cell.data, cell.model, cell.regularizer)
            or self._support.of_optimizer(cell.data, cell.model, cell.optimizer, cell.regularizer)
            or self._support.of_protocol(cell.model, cell.optimizer, cell.protocol)
            or self._support.of_settings(cell.data, cell.protocol, cell.resources)
            or (self._undeployable(combination, cell) if cell.is_variant else untunable(cell))
        )

    def _undeployable(self, combination: Combination, cell: Cell) -> str | None:
        """Why nothing can be made of a net that would be trained, if it is."""
        trained = self._walk.trained(combination)
        if (excluded := self._walk.excluded_by(trained.rules)) is not None:
            return f"its parent, the trained net, is {excluded}"
        if (reason := untunable(cell._replace(deployment=trained.deployment))) is not None:
            return reason
        if cell.protocol.schedule.is_range_test:
            return "a learning-rate range test trains no net to make something of"
        return self._support.of_deployment(cell.data, cell.model, cell.deployment)

    def _data(self, level: Level) -> LocatedData:
        if level not in self._by_level:
            self._by_level[level] = self._located[meaning(level.parts)]
        return self._by_level[level]

    @property
    def needs_nets(self) -> bool:
        """Whether something is made of trained nets, or found out about them."""
        return bool(self._deployments or self.grid.measure or self.grid.update)

    @cached_property
    def _deployments(self) -> tuple[bytes, ...]:
        """The digests of all levels that make something of trained nets."""
        levels = (level for axes in (self.grid.axes, *self.grid.include) for level in axes.deployment)
        return tuple(dict.fromkeys(level.digest for level in levels if deploys(level)))

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


def _key(cell: Cell) -> bytes:
    data = id(cell.data).to_bytes(16, "big") if cell.data.missing else cell.data.digest
    return identity_of(data, cell.model, cell.optimizer, cell.regularizer, cell.deployment, cell.settings)
