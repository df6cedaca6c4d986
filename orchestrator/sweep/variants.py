"""Variants and measurements, which wait for the trial whose net they are made of or about: begun when it has completed,
skipped where it does not.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from orchestrator.errors import UserError
from orchestrator.plan.cell import Cell
from orchestrator.plan.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.queue import Waiting
from orchestrator.text import counted
from results_schema import NOT_MADE, TRAINED
from trainables.spec import ParentTrial

_NAMED: Final = 3
"""Ids that a message lists."""
_CAME_TO: Final = {
    "skipped": "was skipped",
    "timed_out": "timed out",
    "out_of_memory": "ran out of memory",
    "cancelled": "was cancelled",
}
"""What is said of a trial with this status, where that is not the status itself."""


@dataclass(slots=True)
class WaitingVariants:
    """All variants that have to run, by the trial that they wait for."""

    _of: dict[str, list[Waiting]] = field(default_factory=dict)
    _given_up: set[str] = field(default_factory=set)
    """Parents that came to no net, whose variants are skipped. They may be tried once more, elsewhere."""

    def add(self, waiting: Waiting) -> None:
        self._of.setdefault(waiting.cell.parent_id(waiting.seed), []).append(waiting)

    def has(self, parent_id: str) -> bool:
        """Whether the net of this trial is wanted."""
        return parent_id in self._of

    def parents(self) -> list[str]:
        return [*self._of]

    def take(self, parent_id: str, tuned: Mapping[str, object] | None) -> tuple[list[Waiting], bool]:
        """Those that may begin, now that their parent has completed; and whether they had been skipped meanwhile.

        tuned: the values that it ran with.
        """
        given_up = parent_id in self._given_up
        self._given_up.discard(parent_id)
        return [replace(waiting, tuned=tuned) for waiting in self._of.pop(parent_id, [])], given_up

    def give_up(self, parent_id: str) -> list[Waiting]:
        """Those that are to be skipped, as their parent came to no net; none where they are already."""
        if parent_id in self._given_up or parent_id not in self._of:
            return []
        self._given_up.add(parent_id)
        return self._of[parent_id]

    @property
    def left(self) -> int:
        return sum(1 for _ in self._held)

    @property
    def cells(self) -> Iterator[Cell]:
        """Of those that wait."""
        return (waiting.cell for waiting in self._held)

    @property
    def expected(self) -> float:
        """Their work."""
        return -sum(waiting.expected for waiting in self._held)

    @property
    def _held(self) -> Iterator[Waiting]:
        return (each for parent, group in self._of.items() if parent not in self._given_up for each in group)


def without_net(parent_id: str, status: str) -> str:
    """The reason of a variant whose parent has ended so."""
    return f"its parent {parent_id} {_CAME_TO.get(status, status)}: there is no net to make it of or to measure"


def parent_of(waiting: Waiting, journal: Journal, paths: ResultsPaths) -> ParentTrial:
    """The trial that a variant is made of, as its row has it."""
    parent_id, task = waiting.cell.parent_id(waiting.seed), waiting.cell.data.task
    assert task is not None, "what runs has data"
    rows = journal.query(f'SELECT "test_{task.loss_score}" FROM trials WHERE trial_id = ?', (parent_id,))
    return ParentTrial(parent_id, paths.weights(parent_id), next(rows)[0])


def values_of_parent(parent_id: str, tuned: Mapping[str, str]) -> Mapping[str, object] | None:
    """What a trial of an earlier sweep was tuned to. tuned: JSON, by trial id."""
    found: Mapping[str, object] | None = json.loads(tuned[parent_id]) if parent_id in tuned else None
    return found


def without_weights(plan: Plan, journal: Journal, paths: ResultsPaths) -> list[str]:
    """The trials that an earlier sweep has trained and whose weights it did not keep, of which something is to be made."""
    if not plan.needs_nets:
        return []
    statuses, not_made = journal.statuses(), journal.skipped_for(NOT_MADE)
    gone: dict[str, None] = {}
    for cell in plan.cells():
        if cell.skip is not None or not cell.has_parent:
            continue
        for seed in plan.seeds_of(cell):
            trial_id, parent_id = cell.trial_id(seed), cell.parent_id(seed)
            wanted = trial_id not in not_made and statuses.get(trial_id) not in TRAINED
            if wanted and statuses.get(parent_id) == "completed" and not paths.weights(parent_id).is_file():
                gone[parent_id] = None
    return [*gone]


def refuse_without_weights(plan: Plan, journal: Journal, paths: ResultsPaths) -> None:
    """Raise UserError where something is to be made of nets that are gone."""
    if gone := without_weights(plan, journal, paths):
        named = ", ".join(gone[:_NAMED]) + (f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else "")
        raise UserError(
            f"{plan.grid.path}: deployments and measurements need trained nets, and of {counted(len(gone), 'trial')}"
            f" that completed earlier the weights were not kept ({named}); --retrain-parents trains them again and checks"
            " that the same nets come of it, or sweep into another --results, with `keep_weights: best`"
        )
