"""Seeds of some cells beyond those that the grid has for all: added to decide claims, and kept with the results.

The grid stays as it is, and so does every trial's identity: a seed that is added is the trial that a longer `seeds`
would name. From then on every sweep into the directory plans them too.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from typing import Any, Final, Self

from orchestrator.store.journal import Journal

_KEY: Final = "added_seeds"
_LOOK_KEY: Final = "look"


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

    def of(self, cell_ids: Collection[str], seeds: Sequence[int]) -> Sequence[int]:
        """The seeds of a cell. cell_ids: its own, and those of cells that are made of its nets; seeds: those that the grid
        has for all.
        """
        wanted = max(self.cells.get(cell_id, 0) for cell_id in cell_ids)
        return seeds if wanted <= len(seeds) else first_seeds(seeds, wanted)


@dataclass(frozen=True, slots=True)
class LatestLook:
    """Where the looks at a grid's claims are, for whoever asks how far a sweep is. Nothing is decided by it."""

    number: int
    of: int
    """Looks that there are at most."""
    seeds: int
    """Of each cell that is still added to, at this look."""
    most: int
    """Seeds of a cell at most."""
    decided: tuple[str, ...]
    """Claims, by their ids."""
    goes_on: tuple[str, ...]
    """Those whose cells get more seeds."""
    left_open: tuple[str, ...]
    """Those that no more seeds are added for."""

    @classmethod
    def read(cls, journal: Journal) -> "LatestLook | None":
        """Read it from a results directory; None where there was none."""
        text = journal.meta(_LOOK_KEY)
        if text is None:
            return None
        kept: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()
        }
        return cls(**kept)

    def keep(self, journal: Journal) -> None:
        """Put it in the place of the one before."""
        journal.remember(_LOOK_KEY, json.dumps(asdict(self)))

    def __str__(self) -> str:
        """`look 2 of at most 7, at 11 of at most 40 seeds; decided: H1; open: H2`."""
        claims = (
            ("decided", self.decided),
            ("open", self.goes_on),
            ("left open", self.left_open),
        )
        told = "".join(f"; {what}: {', '.join(ids)}" for what, ids in claims if ids)
        return f"look {self.number} of at most {self.of}, at {self.seeds} of at most {self.most} seeds{told}"


def first_seeds(seeds: Sequence[int], wanted: int) -> Sequence[int]:
    """So many seeds, in the order in which a cell gets them. seeds: those that the grid has for all."""
    if isinstance(seeds, range):
        return range(wanted)
    others = (seed for seed in count() if seed not in seeds)
    return (*seeds[:wanted], *islice(others, max(0, wanted - len(seeds))))
