"""From a plan to what the journal keeps of it."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from inspect import getsourcefile
from pathlib import Path

from orchestrator.cell import Cell
from orchestrator.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.planning import CellRow, PlannedRow
from trainables.component import Component
from trainables.spec import trial_identity


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
        data_fingerprint=cell.data.fingerprint or "",
        precision=cell.protocol.precision,
        compiled=cell.protocol.compile,
        deterministic=cell.protocol.deterministic,
    )


def trial_rows(cell: Cell, seeds: Sequence[int]) -> Iterator[PlannedRow]:
    """The cell's trials, one for each seed."""
    cell_id, source = cell.cell_id, cell_source(cell)
    return (PlannedRow(trial_identity(cell.identity, seed), cell_id, seed, source, cell.skip) for seed in seeds)


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
    return _source_digest(tuple(type(part) for part in parts))


@cache
def _source_digest(components: tuple[type[Component], ...]) -> str:
    digest = blake2b(digest_size=8)
    for component in components:
        file = getsourcefile(component)
        digest.update(Path(file).read_bytes() if file else component.__qualname__.encode())
    return digest.hexdigest()


def _json(component: Component) -> str:
    return json.dumps(_values(component))


def _values(component: Component) -> dict[str, object]:
    return {"name": component.name, **component.parameters()}
