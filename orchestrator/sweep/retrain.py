"""`orch sweep --retrain-parents`: nets that were trained without their weights being kept are trained once more.

Their trials are done, and stay as they are: what trains here is a sweep of its own, in a directory within the results that
goes when it is over. Of it only the weights are taken, and only of trials that came out as their rows say, epoch by epoch.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Final

from orchestrator.errors import UserError
from orchestrator.plan.extra_seeds import AddedSeeds
from orchestrator.plan.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_to_read
from orchestrator.sweep.variants import without_weights
from orchestrator.text import counted
from results_schema import EPOCHS

FOLDER: Final = "retrained"
"""Within the results directory, while it takes."""
_COMPARED: Final = [field.name for field in EPOCHS.fields if field.column.unit != "s" and field.name != "trial_id"]
"""Everything of an epoch but how long it took."""
_NAMED: Final = 3
"""Trials that a message tells of."""


def retrain_parents(plan: Plan, paths: ResultsPaths, train: Callable[[Path, tuple[str, ...]], object]) -> None:
    """Have the nets that variants wait for trained again where their weights were not kept.

    train: runs these trials in another results directory, and keeps their weights. Raises UserError where one comes out
    otherwise than its row, or was a seed that was added later; and whatever `train` raises.
    """
    again = ResultsPaths(paths.root / FOLDER)
    if not journal_to_read(paths).exists():
        return
    with closing(Journal.read(journal_to_read(paths), as_planned=True)) as journal:
        plan.added = AddedSeeds.read(journal)
        gone = without_weights(plan, journal, paths)
        _refuse_added(plan, gone)
        if not gone:  # all of them are there, also of a sweep that was ended just then
            shutil.rmtree(again.root, ignore_errors=True)
            return
        train(again.root, tuple(gone))
        with closing(Journal.read(journal_to_read(again))) as trained:
            wrong = list(_take_weights(gone, journal, trained, paths, again))
    shutil.rmtree(again.root)
    if wrong:
        more = f"; and so of {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise UserError(
            f"of {counted(len(wrong), 'trial')} training again gave another net than the row is about:"
            f" {'; '.join(wrong[:_NAMED])}{more}. Nothing can be made of these; sweep into another --results"
        )


def _refuse_added(plan: Plan, gone: Sequence[str]) -> None:
    seeds = frozenset(plan.grid.seeds)
    own = {cell.trial_id(seed) for cell in plan.cells() if not cell.has_parent for seed in seeds}
    if added := [trial for trial in gone if trial not in own]:
        raise UserError(
            f"--retrain-parents: {counted(len(added), 'trial')} without weights ran on seeds that were added to the grid's"
            f" ({', '.join(added[:_NAMED])}), and only the grid's own can be trained again; name them in the grid's `seeds`"
        )


def _take_weights(
    gone: Sequence[str], journal: Journal, trained: Journal, paths: ResultsPaths, again: ResultsPaths
) -> Iterator[str]:
    """Take the weights of each trial that came out as it had; yield what is wrong with the others."""
    statuses = trained.statuses()
    for trial_id in gone:
        if (status := statuses.get(trial_id)) != "completed":
            yield f"{trial_id} was not completed this time, but {status}"
        elif (difference := _difference(trial_id, journal, trained)) is not None:
            yield f"{trial_id} {difference}"
        else:
            paths.weights(trial_id).parent.mkdir(exist_ok=True)
            again.weights(trial_id).replace(paths.weights(trial_id))


def _difference(trial_id: str, journal: Journal, trained: Journal) -> str | None:
    """The first figure of an epoch that is not what it was, bit for bit; None where there is none."""
    for before, now in zip_longest(_epochs(journal, trial_id), _epochs(trained, trial_id)):
        if before is None or now is None:
            return "has another number of epochs"
        for column, old, new in zip(_COMPARED, before, now, strict=True):
            if old != new:
                return f"has the {column} {new!r} in epoch {now[0]}, and had {old!r}"
    return None


def _epochs(journal: Journal, trial_id: str) -> Iterator[tuple[object, ...]]:
    columns = ", ".join(f'"{name}"' for name in _COMPARED)
    return journal.query(f"SELECT {columns} FROM epochs WHERE trial_id = ? ORDER BY epoch", (trial_id,))
