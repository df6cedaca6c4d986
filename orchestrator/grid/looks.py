"""When the claims of a grid are looked at whose seeds are added until they are decided."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Final, Self

from orchestrator.grid.claims import min_seeds

STEP: Final = 1.3
"""Each look has so many times the seeds of the one before, at least two more."""
MOST: Final = 1_000
"""Seeds of a cell that a grid may ask for so: a difference that needs more is nothing that seeds decide."""
MOST_ADDED: Final = 100
"""Seeds of a cell, those of its grid among them, that `--add-seeds` runs: what needs more is too small to matter there."""
ADDED: Final = 40
"""So many they are at least, where nothing is decided before ..."""
TIMES: Final = 4
"""... or so many times those of the grid."""


@dataclass(frozen=True, slots=True)
class LookPlan:
    """After how many seeds of a cell its claims are looked at. Made before the looks, and kept with the results."""

    sizes: tuple[int, ...]
    """Seeds of a cell at each look. The last are the most that there may be."""
    before: int | None = None
    """Seeds of a grid with a fixed number of them, whose claims had been looked at as such before the plan was made."""

    @classmethod
    def until(cls, most: int, claims: int) -> Self:
        """Return that of a grid with so many claims.

        The first look is the least at which seeds that all agree may decide one of them: that of `min_seeds` for the share
        of the error which is spent by then. Fewer seeds can show nothing.
        """
        return cls(tuple(_steps(_first(most, claims), most)))

    @classmethod
    def beyond(cls, seeds: int, claims: int) -> Self | None:
        """Return that of a grid with a fixed number of seeds, for what is added to them; None where they are enough.

        What is added has half of the error that the fixed number had.
        """
        most = min(MOST_ADDED, max(ADDED, TIMES * seeds))
        if seeds >= most:
            return None
        return cls(tuple(_steps(max(_after(seeds, most), _first(most, 2 * claims)), most)), seeds)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` has written. Raises ValueError."""
        if re.fullmatch(r"(\d+\+)?\d+(,\d+)*", text) is None:
            raise ValueError(f"{text!r} is not a plan of looks")
        before, _, sizes = text.rpartition("+")
        return cls(tuple(map(int, sizes.split(","))), int(before) if before else None)

    def __str__(self) -> str:
        """`8,11,15`; `10+13,17` of seeds that are added to ten."""
        return f"{'' if self.before is None else f'{self.before}+'}{','.join(map(str, self.sizes))}"

    @property
    def most(self) -> int:
        """Seeds of a cell at most."""
        return self.sizes[-1]

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """At which there is a look, that before the plan among them."""
        return tuple(chain(() if self.before is None else (self.before,), self.sizes))

    def next(self, seeds: int) -> int | None:
        """Return how many seeds to have for the next look; None where no look is left."""
        return next((size for size in self.sizes if size > seeds), None)


def _first(most: int, claims: int) -> int:
    return next((n for n in range(2, most) if min_seeds(ceil(claims * most / n)) <= n), most)


def _steps(first: int, most: int) -> Iterator[int]:
    size = first
    while size < most:
        yield size
        size = _after(size, most)
    yield most


def _after(size: int, most: int) -> int:
    return min(most, max(size + 2, ceil(size * STEP)))
