"""The plan's trials become the journal's; those that have to run are queued, or wait for their cell's tuning."""

import ast
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from inspect import getsourcefile
from itertools import islice
from pathlib import Path
from typing import Final, cast

from orchestrator.grid.measurements import label_of
from orchestrator.plan.cell import Cell
from orchestrator.plan.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.kept_labels import labels_in_directory
from orchestrator.store.sql import PlannedRow, Purpose
from orchestrator.sweep.counting import Expectation, FlopCounter
from orchestrator.sweep.queue import Packing, TrialQueue, Waiting
from orchestrator.sweep.tuning.tuner import CellTuner, DeferredCell, DeferredCells, DeferredTrial
from orchestrator.sweep.variants import WaitingVariants, values_of_parent, without_net
from results_schema import ENDED, NOT_MADE, OPEN, RETRYABLE, CellRow
from trainables import AXES
from trainables.component import Component
from trainables.interfaces import Deployment, Model
from trainables.spec import derived_seed, trial_identity, tuned_identity

# The source of a component: its own file, and what that imports of its own package where it builds something.


@cache
def source_digest(components: tuple[type[Component], ...]) -> str:
    """16 hex digits of the files of these components."""
    digest = blake2b(digest_size=8)
    for component in components:
        digest.update(_source(component))
    return digest.hexdigest()


@cache
def _source(component: type[Component]) -> bytes:
    file = getsourcefile(component)
    if file is None:  # typed into an interpreter
        return component.__qualname__.encode()
    package = component.__module__.partition(".")[0]
    found: dict[Path, bytes] = {}
    waiting = [Path(file)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = path.read_bytes()
            waiting += _imported_late(found[path], package)
    return b"".join(found[path] for path in sorted(found))


def _imported_late(source: bytes, package: str) -> Iterator[Path]:
    """Files of the package that functions import. What stands at the top is shared by all components, and is not theirs."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == package and not node.level:
                spec = find_spec(node.module or "")
                if spec is not None and spec.origin is not None and spec.has_location:
                    yield Path(spec.origin)


# From a plan to what the journal keeps of it.


def cell_row(cell: Cell) -> CellRow:
    """Return what the trials of a cell share."""
    return CellRow(
        cell_id=cell.cell_id,
        dataset=cell.dataset.label,
        model=cell.model.label,
        optimizer=cell.optimizer.label,
        regularizer=cell.regularizer.label,
        deployment=cell.deployment.label,
        dataset_config=_json(cell.data.dataset),
        model_config=_json(cell.model.config),
        optimizer_config=_json(cell.optimizer.config),
        regularizer_config=json.dumps([_values(part) for part in cell.regularizer.configs]),
        deployment_config=_json(cell.deployment.config),
        measurement=None if cell.measurement is None else label_of(cell.measurement),
        measurement_config=None if cell.measurement is None else _json(cell.measurement),
        protocol_config=json.dumps(cell.protocol.parameters()),
        tuning_config=json.dumps(cell.tuning.recorded()) if cell.tuning else None,
        varied=",".join(variation.sources) if (variation := cell.settings.variation) is not None else None,
        data_fingerprint=cell.data.fingerprint or "",
        precision=cell.protocol.precision,
        compiled=cell.protocol.compile,
        deterministic=cell.protocol.deterministic,
    )


def tuned_row(cell: Cell, tuned: Cell, values: str) -> CellRow:
    """Return what a trial of the cell runs under, with the values of its open parameters. values: JSON."""
    row = cell_row(cell)
    made = cell_row(tuned)
    return replace(
        row,
        cell_id=tuned_identity(cell.identity, values),
        model_config=made.model_config,
        optimizer_config=made.optimizer_config,
        regularizer_config=made.regularizer_config,
    )


def trial_rows(cell: Cell, seeds: Sequence[int], fresh: Sequence[int] = ()) -> Iterator[PlannedRow]:
    """The cell's trials, one for each seed. fresh: the seeds that confirm it."""
    cell_id, source = cell.cell_id, cell_source(cell)
    identity = cell.identity
    several = cell.tuning if cell.tuning is not None and cell.tuning.repetitions > 1 else None
    for seed in seeds:
        repetition = None if several is None else several.repetition_of(seed)
        purpose: Purpose = "confirmation" if seed in fresh else cell.purpose
        parent = cell.parent_id(seed) if cell.has_parent and cell.skip is None else None
        yield PlannedRow(trial_identity(identity, seed), cell_id, purpose, seed, source, cell.skip, repetition, parent)


def tuning_rows(cell: Cell, seeds: Sequence[int]) -> Iterator[PlannedRow]:
    """The trials that tune the cell before those; none of a cell that is skipped, or has nothing to tune."""
    if cell.tuning is None or cell.skip is not None:
        return
    cell_id, source, ids = cell.cell_id, cell_source(cell), cell.tuning_ids(seeds)
    numbered = cell.tunes_in_folds or cell.tuning.repetitions > 1
    for repetition in cell.tunings(seeds):
        seed = derived_seed("tuning", cell.tuning.repetition(repetition).seed)
        of_several = repetition if numbered else None
        for trial_id in islice(ids, cell.tuning.count):
            yield PlannedRow(trial_id, cell_id, "tuning", seed, source, None, of_several)


def changed_source(plan: Plan, journal: Journal) -> str | None:
    """A warning where components of finished cells have changed under the same version; None where none has.

    Such a component may no longer give the figures that are kept. Nothing runs again because of it.
    """
    known = journal.source_digests()
    if not known:
        return None
    changed = [cell for cell in plan.among(known) if known[cell.cell_id] != cell_source(cell)]
    if not changed:
        return None
    return (
        f"the code of {len(changed)} finished cells has changed since they ran (the first: {changed[0].label}); their rows"
        " stay as they are. Raise the component's `version` to run them again"
    )


def cell_source(cell: Cell) -> str:
    """16 hex digits of the source files of everything that the cell is made of."""
    parts = (*cell.dataset.configs, *cell.model.configs, *cell.optimizer.configs, *cell.regularizer.configs)
    if cell.is_variant:
        parts += cell.deployment.configs
    if cell.measurement is not None:
        parts += (cell.measurement,)
    return source_digest(tuple(type(part) for part in parts))


def _json(component: Component) -> str:
    return json.dumps(_values(component))


def _values(component: Component) -> dict[str, object]:
    return {"name": component.name, **component.parameters()}


NO_ROOM: Final = "no room on this cluster: "
"""Begins the reason of a trial that was skipped for what it needs: on another cluster it runs."""


@dataclass(frozen=True, slots=True)
class PendingWork:
    """What a sweep has to do."""

    packing: Packing
    queue: TrialQueue
    deferred: DeferredCells = field(default_factory=DeferredCells)
    variants: WaitingVariants = field(default_factory=WaitingVariants)
    varying: set[str] = field(default_factory=set)
    """The axes on which the cells that run differ: what is said of a trial while it runs."""


@dataclass(frozen=True, slots=True)
class _ExistingResults:
    """What the results directory has, and which of it runs again."""

    statuses: Mapping[str, str]
    tuned: Mapping[str, str]
    runs: frozenset[str]
    """Statuses of trials that run (again)."""
    without_room: frozenset[str]
    """Trials that were skipped for what they need."""
    not_made: frozenset[str]
    """Variants of which nothing could be made."""

    def has_to_run(self, row: PlannedRow) -> bool:
        status = self.statuses.get(row.trial_id, "pending")
        if (status, row.purpose) == ("skipped", "tuning"):  # for the values that it drew, which the plan does not know
            return row.trial_id in self.without_room
        return status in self.runs and row.trial_id not in self.not_made


def record_plan(
    plan: Plan,
    journal: Journal,
    examples: Mapping[str, int],
    packing: Packing,
    note: Callable[[str], None],
    *,
    retry: bool,
    only: Collection[str] | None = None,
) -> PendingWork:
    """examples: how many each data set has, by its label. note: tells the user something. only: what runs, of all that is
    planned, with the tuning that it waits for; None for all.
    """
    again = RETRYABLE if retry else frozenset()
    # the plan says anew what is skipped
    kept = _ExistingResults(
        *(journal.statuses(), journal.tuned_values(), OPEN | {"skipped"} | again),
        *(journal.skipped_for(NO_ROOM), journal.skipped_for(NOT_MADE)),
    )
    pending = PendingWork(packing, TrialQueue(packing))
    with FlopCounter(note) as counter, journal.planning(plan.grid.name, again) as planning:
        expectation = Expectation(journal.seconds_by_cell(), counter.count, alike=plan.of_one_model)
        first: CellRow | None = None
        for cell in plan.cells():
            seeds, others = plan.seeds_of(cell), []
            rows, tuning = list(trial_rows(cell, seeds, plan.fresh_seeds_of(cell))), list(tuning_rows(cell, seeds))
            parts = _parts(cell, seeds, tuning)
            now = [*tuning, *rows]
            if only is not None:
                every, now = now, _named(cell, parts, rows, only, kept)
                rows, others = [row for row in rows if row in now], [row for row in every if row not in now]
            described = cell_row(cell)
            planning.add(described, now, others)
            if cell.skip is None:
                first = first or described
                pending.varying.update(axis for axis in AXES if getattr(described, axis) != getattr(first, axis))
            runs = cell.skip is None and any(kept.has_to_run(row) for row in now)
            if not runs:
                continue
            expected = _expected(cell, expectation, examples)
            if cell.tuning is None:
                for waiting in _waiting(cell, rows, kept, expected, len(pending.queue)):
                    (pending.variants if cell.has_parent else pending.queue).add(waiting)
                continue
            for deferred in _tunings(cell, parts, rows, kept, journal, expected, pending.queue):
                pending.deferred.add(deferred)
                for waiting in deferred.take_held():
                    pending.queue.add(waiting)
        displays = {axis.name: axis.labels.displays for axis in plan.grid.axes}
        planning.name_levels(lambda axis, levels: labels_in_directory(axis, levels, displays[axis]))
        _settle_variants(pending, kept, journal)
    journal.commit()
    return pending


def _settle_variants(pending: PendingWork, kept: _ExistingResults, journal: Journal) -> None:
    """Queue the variants of nets that are there, and skip those of trials that ended without one and do not run again."""
    for parent_id in pending.variants.parents():
        status = kept.statuses.get(parent_id, "pending")
        if status == "completed":
            for waiting in pending.variants.take(parent_id, values_of_parent(parent_id, kept.tuned))[0]:
                pending.queue.add(waiting)
        elif status not in kept.runs:
            for waiting in pending.variants.give_up(parent_id):
                journal.set_aside(waiting.trial_id, "skipped", without_net(parent_id, status))


_Parts = Mapping[int, Sequence[PlannedRow]]
"""The tunings of a cell by their numbers, each with its trials."""


def _parts(cell: Cell, seeds: Sequence[int], tuning: Sequence[PlannedRow]) -> _Parts:
    count = 0 if cell.tuning is None else cell.tuning.count
    return {number: tuning[place * count :][:count] for place, number in enumerate(cell.tunings(seeds))}


def _named(
    cell: Cell, parts: _Parts, rows: Sequence[PlannedRow], only: Collection[str], kept: _ExistingResults
) -> list[PlannedRow]:
    """Those of a cell's trials that are named, and the tunings that they wait for."""
    named = [row for row in rows if row.trial_id in only]
    if cell.tuning is None:
        return named
    waiting = {cell.tuning_of(row.seed) for row in named if kept.has_to_run(row)}
    return [*(row for number, part in parts.items() if number in waiting for row in part), *named]


def _waiting(
    cell: Cell, rows: Sequence[PlannedRow], kept: _ExistingResults, expected: float, place: int
) -> list[Waiting]:
    """Those of the rows that have to run; of a tuning, all of one repetition. place: of the first in the plan's order."""
    return [
        Waiting(
            *(-expected, place + number, row.trial_id, row.seed, cell),
            tuning=number if row.purpose == "tuning" else None,
            repetition=row.repetition or 0,
        )
        for number, row in enumerate(rows)
        if kept.has_to_run(row)
    ]


def _tunings(
    cell: Cell,
    parts: _Parts,
    rows: Sequence[PlannedRow],
    kept: _ExistingResults,
    journal: Journal,
    expected: float,
    queue: TrialQueue,
) -> Iterator[DeferredCell]:
    """The tunings of a cell in which anything has to run, with the seeds that wait for their choice."""
    assert cell.tuning is not None
    waiting: dict[int, list[PlannedRow]] = {}
    for row in rows:
        waiting.setdefault(cell.tuning_of(row.seed), []).append(row)
    for repetition, part in parts.items():
        own = waiting.get(repetition, [])
        if own and any(kept.has_to_run(row) for row in (*part, *own)):
            tuner = _restored(CellTuner(cell, repetition), part, kept, journal)
            held = _waiting(cell, part, kept, expected, len(queue))
            yield DeferredCell(
                tuner, [_deferred(row, kept) for row in own], expected, frozenset(ENDED - kept.runs), held
            )


def _restored(tuner: CellTuner, tuning: Sequence[PlannedRow], kept: _ExistingResults, journal: Journal) -> CellTuner:
    """The tuner as earlier sweeps have left it. tuning: the trials of its repetition."""
    for number, row in enumerate(tuning):
        values = kept.tuned.get(row.trial_id)
        if kept.has_to_run(row):
            tuner.restore(number, values, (), None)
        else:
            epochs = journal.by_epoch(row.trial_id, tuner.goal.measure)
            tuner.restore(number, values, epochs, kept.statuses[row.trial_id])
    return tuner


def _deferred(row: PlannedRow, kept: _ExistingResults) -> DeferredTrial:
    status = "pending" if kept.has_to_run(row) else kept.statuses[row.trial_id]
    return DeferredTrial(row.trial_id, row.seed, status, kept.tuned.get(row.trial_id))


def _expected(cell: Cell, expectation: Expectation, examples: Mapping[str, int]) -> float:
    data, model = cell.data, cell.model.config
    assert data.info is not None and isinstance(model, Model)
    epochs = 1 if cell.measurement is not None else cell.protocol.epochs
    if cell.is_variant:
        epochs = max(1, cast(Deployment, cell.deployment.config).trains)
    return expectation.seconds(cell.cell_id, model, data.info, examples[data.level.label], epochs)
