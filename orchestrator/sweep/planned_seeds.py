"""How many trials there may be where seeds are added until claims are decided, and what no seeds would decide."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Final

from clusters.yaml_file import At
from orchestrator.grid.mistakes import Placed, grid_error
from orchestrator.plan.plan import Plan
from orchestrator.sweep.record import cell_row

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT: Final = 20_000
"""Cells of which each is asked whether a claim is about it; in larger grids all are taken to be."""


def most_trials(plan: Plan, most: int) -> int:
    """Trials of the plan, if each cell of a claim came to have so many seeds. Raises GridError as `refuse_undecidable`."""
    counts = plan.counts()
    running = counts.cells - sum(counts.skipped.values())
    cells = _cells(plan)
    if cells is not None and plan.grid.most is not None:
        refuse_undecidable(plan, cells)
    of_claims = running if cells is None else _of_claims(plan, cells)
    return counts.trials + of_claims * max(0, most - len(plan.grid.seeds))


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


def _of_claims(plan: Plan, cells: "pd.DataFrame") -> int:
    from orchestrator.evidence.pairing import trials_of

    if cells.empty:
        return 0
    about = [trials_of(claim, cells) for claim in plan.grid.claims]
    return int(sum(about[1:], start=about[0]).astype(bool).sum()) if about else 0


def _cells(plan: Plan) -> "pd.DataFrame | None":
    """A row for each cell that runs; None where there are too many, or what is to be downloaded has no cells yet."""
    import pandas as pd

    running = (cell for cell in plan.cells() if cell.skip is None)
    some = list(islice(running, _LOOKED_AT + 1))
    if len(some) > _LOOKED_AT or any(cell.data.missing is not None for cell in some):
        return None
    return pd.DataFrame([asdict(cell_row(cell)) for cell in some])
