"""From a plan to what the journal keeps of it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from orchestrator.cell import Cell
from orchestrator.component_source import source_digest
from orchestrator.grid.narrowing import Occurring
from orchestrator.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.planning import CellRow, PlannedRow
from trainables.component import Component
from trainables.spec import derived_seed, trial_identity

MANY: Final = 20_000
"""Beyond so many different levels of an axis, reading what the journal has of them may cost more than it saves."""


def cell_row(cell: Cell) -> CellRow:
    """What the trials of a cell share."""
    return CellRow(
        cell_id=cell.cell_id,
        dataset=cell.dataset.label,
        model=cell.model.label,
        optimizer=cell.optimizer.label,
        regularizer=cell.regularizer.label,
        dataset_config=_json(cell.data.dataset),
        model_config=_json(cell.model.config),
        optimizer_config=_json(cell.optimizer.config),
        regularizer_config=json.dumps([_values(part) for part in cell.regularizer.configs]),
        protocol_config=json.dumps(cell.protocol.parameters()),
        tuning_config=json.dumps(cell.tuning.parameters()) if cell.tuning else None,
        data_fingerprint=cell.data.fingerprint or "",
        precision=cell.protocol.precision,
        compiled=cell.protocol.compile,
        deterministic=cell.protocol.deterministic,
    )


def tuned_row(cell: Cell, tuned: Cell, values: str) -> CellRow:
    """What a trial of the cell runs under, with the values of its open parameters. values: JSON."""
    config_id = blake2b(cell.identity + values.encode(), digest_size=8).hexdigest()
    row = cell_row(cell)
    made = cell_row(tuned)
    return replace(
        row,
        cell_id=config_id,
        model_config=made.model_config,
        optimizer_config=made.optimizer_config,
        regularizer_config=made.regularizer_config,
    )


def trial_rows(cell: Cell, seeds: Sequence[int]) -> Iterator[PlannedRow]:
    """The cell's trials, one for each seed."""
    cell_id, source = cell.cell_id, cell_source(cell)
    identity = cell.identity
    return (
        PlannedRow(trial_identity(identity, seed), cell_id, "evaluation", seed, source, cell.skip) for seed in seeds
    )


def tuning_rows(cell: Cell) -> Iterator[PlannedRow]:
    """The trials that tune the cell before those; none of a cell that is skipped, or has nothing to tune."""
    if cell.tuning is None or cell.skip is not None:
        return
    cell_id, source = cell.cell_id, cell_source(cell)
    seed = derived_seed("tuning", cell.tuning.seed)
    for trial_id in cell.tuning_ids():
        yield PlannedRow(trial_id, cell_id, "tuning", seed, source, None)


def occurring_in(journal: Journal) -> Occurring:
    """The values that the journal's cells have, of the axes on which they are not too many."""
    return Occurring.among(journal.configurations(MANY))


def changed_source(plan: Plan, journal: Journal, occurring: Occurring) -> str | None:
    """A warning where components of finished cells have changed under the same version; None where none has.

    Such a component may no longer give the figures that are kept. Nothing runs again because of it. occurring: the
    values that the journal's cells have.
    """
    known = journal.source_digests()
    if not known:
        return None
    changed = [cell for cell in plan.among(known, occurring) if known[cell.cell_id] != cell_source(cell)]
    if not changed:
        return None
    return (
        f"the code of {len(changed)} finished cells has changed since they ran (the first: {changed[0].label}); their rows"
        " stay as they are. Raise the component's `version` to run them again"
    )


def cell_source(cell: Cell) -> str:
    """16 hex digits of the source files of everything that the cell is made of."""
    parts = (*cell.dataset.configs, *cell.model.configs, *cell.optimizer.configs, *cell.regularizer.configs)
    return source_digest(tuple(type(part) for part in parts))


def _json(component: Component) -> str:
    return json.dumps(_values(component))


def _values(component: Component) -> dict[str, object]:
    return {"name": component.name, **component.parameters()}
