"""What else differs between the arms of a grid's claims, as far as that is known before anything has run."""

from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from orchestrator.plan.cell import Cell
from orchestrator.plan.plan import Plan
from orchestrator.sweep.record import cell_row
from results_schema import EVALUATION
from trainables.data.subset import SeededSplit
from trainables.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.evidence.arms import Comparison

_LOOKED_AT: Final = 2_000
"""Cells of a grid that are looked at, the first ones."""
_BUILT: Final = 50
"""Models that are built, to count what they are."""


@dataclass(frozen=True, slots=True)
class PlannedArms:
    """One claim, and what else differs between its arms."""

    claim: str
    """Its id."""
    differences: tuple[str, ...]
    """In words."""
    forbidden: tuple[str, ...]
    """What of it the claim's `fair` does not allow."""
    unknown: tuple[str, ...]
    """Conditions of `fair` that only trials tell."""


def planned_arms(plan: Plan) -> tuple[PlannedArms, ...]:
    """Of each claim of the grid. Models of claims are built here, which imports torch; nothing is trained."""
    if not plan.grid.claims:
        return ()
    from orchestrator.evidence.arms import comparison, facts_of
    from orchestrator.evidence.pairing import rows_of_terms

    divisions = _Divisions(plan.grid.seeds[0])
    cells = _frame(plan, divisions)
    found: list[PlannedArms] = []
    for claim in plan.grid.claims:
        terms = rows_of_terms(claim, cells) if len(cells) else ()
        arms = [facts_of(name, rows, divisions.priors) for name, rows in terms]
        if arms:
            found.append(_shown(claim.id, comparison(claim, arms)))
    return tuple(found)


def _shown(claim: str, found: "Comparison") -> PlannedArms:
    return PlannedArms(
        claim, tuple(dict.fromkeys(one.words for one in found.differences)), found.confounded, found.unmeasured
    )


def _frame(plan: Plan, divisions: "_Divisions") -> "pd.DataFrame":
    """A row for each cell that runs, with the columns of `trials` that are known of it."""
    import pandas as pd

    sizes = _Sizes()
    running = (cell for cell in plan.cells() if _is_compared(cell) and cell.data.missing is None)
    return pd.DataFrame([_row(cell, sizes, divisions) for cell in islice(running, _LOOKED_AT)])


def _is_compared(cell: Cell) -> bool:
    return cell.skip is None and cell.purpose == EVALUATION


def _row(cell: Cell, sizes: "_Sizes", divisions: "_Divisions") -> dict[str, object]:
    parameters, flops = sizes.of(cell)
    division = divisions.of(cell)
    examples = _examples(cell) if division is None else division.train
    batches = None if examples is None or _learns_its_own_way(cell) else -(-examples // cell.protocol.batch_size)
    return {
        **asdict(cell_row(cell)),
        "trial_id": cell.cell_id,
        "parameters": parameters,
        "flops": flops,
        "train_size": examples,
        "val_size": _validated_on(cell) if division is None else division.validation,
        "steps": None if batches is None else batches * cell.protocol.epochs,
        "world_size": cell.resources.workers,
    }


def _examples(cell: Cell) -> int | None:
    """Labelled training examples, where the options say how many; else splitting alone tells."""
    from trainables.data.subset import long_tail_counts

    options, info = cell.data.dataset, cell.data.info
    if options.per_class is None or info is None:
        return None
    counts = [options.per_class] * len(info.classes)
    return sum(long_tail_counts(counts, options.imbalance if "train" in options.skew else 1.0))


def _learns_its_own_way(cell: Cell) -> bool:
    """Whether the model decides by itself how many steps an epoch has."""
    return hasattr(cell.model.config, "learner")


def _validated_on(cell: Cell) -> int | None:
    """Labelled validation examples, where the protocol says how many."""
    wanted, info = cell.protocol.validation_per_class, cell.data.info
    return None if wanted is None or info is None or not info.classes else wanted * len(info.classes)


class _Division(NamedTuple):
    """What the first seed trains on, validates on and tests on."""

    train: int
    validation: int
    test_prior: tuple[float, ...] | None
    """Shares of the classes in the test split; None where there are none."""


class _Divisions:
    """How data are divided of which names and labels are known: no image is read, so equal ones count as different."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._known: dict[tuple[object, ...], _Division | None] = {}
        self.priors: dict[str, tuple[float, ...]] = {}
        """By cell id, the test prior of each cell that was asked for."""

    def of(self, cell: Cell) -> _Division | None:
        """None where that is not known before data are loaded."""
        key = (id(cell.data), cell.protocol.splits, cell.protocol.validation_per_class)
        if key not in self._known:
            self._known[key] = _divided(cell, self._seed)
        found = self._known[key]
        if found is not None and found.test_prior is not None:
            self.priors[cell.cell_id] = found.test_prior
        return found


def _divided(cell: Cell, seed: int) -> _Division | None:
    outline, info = cell.data.outline, cell.data.info
    if outline is None or info is None or info.input != "image":  # of a clip's recordings an outline knows no length
        return None
    import numpy as np

    dividing = SeededSplit(cell.protocol.splits, seed, cell.protocol.validation_per_class)
    try:
        found = dividing.of(cell.data.dataset, outline, np.arange(len(outline), dtype=np.uint64), outline.classes)
    except DataError:  # the sweep tells of it
        return None
    parts = found.split
    tested = np.bincount(outline.targets[parts.test].astype(np.int64), minlength=len(outline.classes))
    prior = tuple(float(share) for share in tested / tested.sum()) if outline.classes else None
    return _Division(len(parts.train), len(parts.val), prior)


class _Sizes:
    """Parameters and operations of the models of cells, each model counted once on each kind of data."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[int | None, int | None]] = {}

    def of(self, cell: Cell) -> tuple[int | None, int | None]:
        key = (cell.model.digest, cell.data.info, cell.regularizer.combined_digest)
        if key not in self._known:
            self._known[key] = (None, None) if len(self._known) >= _BUILT else _counted(cell)
        return self._known[key]


def _counted(cell: Cell) -> tuple[int | None, int | None]:
    """Nothing where the model cannot be built here, as without its weights: its trials will say why."""
    from trainables.training.costs import model_sizes

    assert cell.data.info is not None and cell.data.task is not None
    spec = cell.spec(0)
    try:
        return model_sizes(spec.model, spec.regularizers, cell.data.info, cell.data.task.outputs(cell.data.info))
    except Exception:  # noqa: BLE001 - a component may raise whatever it likes
        return None, None
