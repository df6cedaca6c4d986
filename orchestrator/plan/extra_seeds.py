"""Seeds of some cells beyond those that the grid has for all: added to decide claims, and kept with the results.

The grid stays as it is, and so does every trial's identity: a seed that is added is the trial that a longer `seeds`
would name. From then on every sweep into the directory plans them too, with or without `--add-seeds`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final, Self

from orchestrator.store.journal import Journal

_KEY: Final = "added_seeds"


@dataclass(frozen=True, slots=True)
class AddedSeeds:
    """How many seeds some cells have in all."""

    cells: Mapping[str, int] = field(default_factory=dict)
    """By cell id."""

    @classmethod
    def read(cls, journal: Journal) -> Self:
        """Read those of a results directory."""
        return cls(json.loads(journal.meta(_KEY) or "{}"))

    def joined(self, more: Mapping[str, int]) -> "AddedSeeds":
        """Add more; no cell loses any."""
        return AddedSeeds({**more, **{cell: max(seeds, more.get(cell, 0)) for cell, seeds in self.cells.items()}})

    def keep(self, journal: Journal) -> None:
        """Keep them for all later sweeps into the directory."""
        journal.remember(_KEY, json.dumps(self.cells, sort_keys=True) if self.cells else None)

    def of(self, cell_id: str, seeds: Sequence[int]) -> Sequence[int]:
        """The seeds of a cell. seeds: those that the grid has for all."""
        wanted = self.cells.get(cell_id, 0)
        if wanted <= len(seeds):
            return seeds
        if isinstance(seeds, range):
            return range(wanted)
        others = (seed for seed in count() if seed not in seeds)
        return (*seeds, *islice(others, wanted - len(seeds)))
