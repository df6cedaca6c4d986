"""Fresh seeds of the cells that a sweep has chosen: they tell how good these are, and choose nothing.

They are kept with the results, as seeds that are added are. A trial on one is the trial that a list of `seeds` would name.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from typing import Final, Self

from orchestrator.store.journal import Journal

_KEY: Final = "confirmation"
FIRST: Final = 720_720
"""The first fresh seed, which no count of seeds gets to. It is divisible by all numbers up to 16: with so many folds, or
repetitions of tuning, fresh seeds begin with the first."""


@dataclass(frozen=True, slots=True)
class ConfirmationSeeds:
    """Which cells run on how many fresh seeds."""

    seeds: int = 0
    cells: tuple[str, ...] = ()
    """Ids, in the order in which they were chosen."""

    @classmethod
    def read(cls, journal: Journal) -> Self:
        """Read those of a results directory."""
        kept = json.loads(journal.meta(_KEY) or "{}")
        return cls(kept.get("seeds", 0), tuple(kept.get("cells", ())))

    def joined(self, cells: Sequence[str], seeds: int) -> "ConfirmationSeeds":
        """Add more cells; all have so many seeds."""
        return ConfirmationSeeds(seeds, tuple(dict.fromkeys((*self.cells, *cells))))

    def keep(self, journal: Journal) -> None:
        """Keep them for all later sweeps into the directory."""
        journal.remember(_KEY, json.dumps(asdict(self)))

    def of(self, cell_ids: Collection[str], taken: Sequence[int]) -> tuple[int, ...]:
        """The fresh seeds of a cell. cell_ids: its own, and those of cells that are made of its nets; taken: the seeds by
        which it was chosen.
        """
        if not any(cell_id in self.cells for cell_id in cell_ids):
            return ()
        return tuple(islice((seed for seed in count(FIRST) if seed not in taken), self.seeds))
