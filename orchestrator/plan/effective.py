"""What holds for a cell beside its levels: protocol and resources under the overrides, and what of it is tuned."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from orchestrator.grid import GridSpec
from orchestrator.grid.rules import Override
from orchestrator.plan.cell import Cell, Settings
from orchestrator.plan.combine import Combination, GridIterator
from trainables import LEARNING_AXES
from trainables.component import Component
from trainables.spec import settings_digest

_Parts = tuple[tuple[str, type[Component]], ...]
"""The components of a combination that tuning may open, each with its axis."""


class EffectiveSettings:
    """The settings of a grid's combinations, each made once."""

    def __init__(self, grid: GridSpec, walk: GridIterator) -> None:
        self._grid, self._walk = grid, walk
        self._made: dict[tuple[int, _Parts], Settings] = {}

    def of(self, combination: Combination) -> Settings:
        """Resolve the combination under the overrides that hold for it."""
        parts = tuple(_components(combination)) if self._grid.tuning is not None else ()
        key = (self._walk.overriding(combination.rules), parts)
        if key not in self._made:
            self._made[key] = self._make(self._walk.overrides(combination.rules), parts)
        return self._made[key]

    def _make(self, overrides: Sequence[Override], parts: _Parts) -> Settings:
        protocol, resources = self._grid.settings(overrides)
        tuning, variation = self._grid.tuning.of(parts) if self._grid.tuning else None, self._grid.variation
        digest = settings_digest(protocol, variation)
        if tuning is None:
            return Settings(protocol, resources, digest, variation=variation)
        digest = blake2b(digest + tuning.digest, digest_size=16).digest()
        return Settings(protocol, resources, digest, tuning, variation)


def untunable(cell: Cell) -> str | None:
    """Return why a cell cannot be tuned as the grid asks, or None."""
    if cell.tuning is None:
        return None
    if not cell.tuning.space:
        return "tuning.space names no parameter of this cell, which would be compared untuned with tuned ones"
    if cell.tunes_in_folds and cell.tuning.repetitions > 1:
        return "each fold is tuned by itself; tune without `repetitions`, or without `folds`"
    if cell.protocol.schedule.is_range_test:
        return "a learning-rate range test has no outcome to tune for"
    return None


def _components(combination: Combination) -> Iterator[tuple[str, type[Component]]]:
    for axis in LEARNING_AXES:
        yield from ((axis, part.component) for part in getattr(combination, axis).parts)
