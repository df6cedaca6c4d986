"""How many trials there may be where seeds are added until claims are decided, and what no seeds would decide."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Final

from clusters.yaml_file import At
from orchestrator.grid.mistakes import Placed, grid_error
from orchestrator.plan.cell import Cell
from orchestrator.plan.extra_seeds import first_seeds
from orchestrator.plan.plan import Plan
from orchestrator.sweep.record import cell_row

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT: Final = 20_000
"""Cells of which each is asked whether a claim is about it; in larger grids all are taken to be, and to cost alike."""


def most_trials(plan: Plan, most: int) -> int:
    """Trials of the plan, if each cell of a claim came to have so many seeds. Raises GridError as `refuse_undecidable`."""
    counts = plan.counts()
    cells, all_there = _running(plan)
    if not all_there:
        running = counts.cells - sum(counts.skipped.values())
        return counts.trials + running * max((_further(cell, plan, most) for cell in cells), default=0)
    table = _table(cells)
    if plan.grid.most is not None:
        refuse_undecidable(plan, table)
    return counts.trials + sum(_further(cells[place], plan, most) for place in _of_claims(plan, table))


def _further(cell: Cell, plan: Plan, most: int) -> int:
    """Trials that it comes to have beyond the plan's, those that tune for its further folds among them."""
    own = plan.grid.seeds
    if most <= len(own):
        return 0
    later = first_seeds(own, most)
    return most - len(own) + cell.tuning_total(later) - cell.tuning_total(own)


def refuse_undecidable(plan: Plan, cells: "pd.DataFrame") -> None:
    """Raise GridError where the grid's seeds are added until something is decided that they cannot decide."""
    if wrong := [*_without_cells(plan, cells), *_beyond_folds(plan)]:
        raise grid_error(plan.grid.path, wrong)


def _without_cells(plan: Plan, cells: "pd.DataFrame") -> Iterator[Placed]:
    from orchestrator.evidence.pairing import rows_of_terms

    for claim in plan.grid.claims:
        absent = [name for name, rows in rows_of_terms(claim, cells) if rows.empty] if len(cells) else ["any arm"]
        if absent:
            message = f"the claim {claim.id} has no cell of {absent[0]} that runs, so no seeds decide it"
            yield claim.at, f"{message}; `orch plan` with a fixed number of seeds says why, or leave the claim out"


def _beyond_folds(plan: Plan) -> Iterator[Placed]:
    """A further round over the folds is tested on the same pictures once more."""
    most = plan.grid.most
    for data in plan.data:
        folds = data.dataset.folds
        if folds is not None and most is not None and most > folds:
            at: At = data.level.parts[0].at("folds")
            message = f"{data.level.label} has {folds} folds, one for each seed, and seeds.most is {most}"
            yield at, f"{message}: seeds beyond the folds decide nothing more; write most: {folds}, or more folds"


def _of_claims(plan: Plan, cells: "pd.DataFrame") -> Iterator[int]:
    """Places of the cells that some claim is about."""
    from orchestrator.evidence.pairing import trials_of

    if cells.empty or not plan.grid.claims:
        return
    about = [trials_of(claim, cells).to_numpy() for claim in plan.grid.claims]
    yield from (place for place, of_any in enumerate(zip(*about, strict=True)) if any(of_any))


def _running(plan: Plan) -> tuple[list[Cell], bool]:
    """Cells that run, and whether these are all and their data are there."""
    running = (cell for cell in plan.cells() if cell.skip is None and not cell.is_update)
    some = list(islice(running, _LOOKED_AT + 1))
    return some, len(some) <= _LOOKED_AT and all(cell.data.missing is None for cell in some)


def _table(cells: Sequence[Cell]) -> "pd.DataFrame":
    """A row for each cell."""
    import pandas as pd

    return pd.DataFrame([asdict(cell_row(cell)) for cell in cells])
