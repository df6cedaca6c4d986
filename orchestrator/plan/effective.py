"""What holds for a cell beside its levels: protocol and resources under the overrides, and what of it is tuned."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import cast

from orchestrator.grid import GridSpec
from orchestrator.grid.rules import Override
from orchestrator.grid.tuning import TuningSpec
from orchestrator.plan.cell import Cell, Settings
from orchestrator.plan.combine import Combination, GridIterator
from trainables import LEARNING_AXES
from trainables.component import Component
from trainables.dataset import DataInfo
from trainables.fusion.support import unfusable
from trainables.interfaces import Model, Optimizer, Regularizer
from trainables.protocol import Protocol
from trainables.spec import Variation, settings_digest

_Parts = tuple[tuple[str, type[Component]], ...]
"""The components of a combination that tuning may open, each with its axis."""


class EffectiveSettings:
    """The settings of a grid's combinations, each made once."""

    def __init__(self, grid: GridSpec, walk: GridIterator) -> None:
        self._grid, self._walk = grid, walk
        self._made: dict[tuple[int, _Parts], Settings] = {}
        self._alone: dict[tuple[int, _Parts, str], Settings] = {}

    def of(self, combination: Combination, data: DataInfo | None) -> Settings:
        """Resolve the combination under the overrides that hold for it. data: None where nothing is known of it."""
        parts = tuple(_components(combination)) if self._grid.tuning is not None else ()
        key = (self._walk.overriding(combination.rules), parts)
        if key not in self._made:
            self._made[key] = self._make(self._walk.overrides(combination.rules), parts)
        settings = self._made[key]
        if settings.protocol.fuse == 1 or (why := _unfusable(combination, settings, data)) is None:
            return settings
        if (*key, why) not in self._alone:
            # trials that run alone are those of a grid that does not ask to fuse them
            protocol = settings.protocol.model_copy(update={"fuse": 1})
            digest = _digest(protocol, settings.tuning, settings.variation)
            self._alone[*key, why] = settings._replace(protocol=protocol, digest=digest, alone=why)
        return self._alone[*key, why]

    def _make(self, overrides: Sequence[Override], parts: _Parts) -> Settings:
        protocol, resources = self._grid.settings(overrides)
        tuning, variation = self._grid.tuning.of(parts) if self._grid.tuning else None, self._grid.variation
        return Settings(protocol, resources, _digest(protocol, tuning, variation), tuning, variation)


def _digest(protocol: Protocol, tuning: TuningSpec | None, variation: Variation | None) -> bytes:
    digest = settings_digest(protocol, variation)
    return digest if tuning is None else blake2b(digest + tuning.digest, digest_size=16).digest()


def _unfusable(combination: Combination, settings: Settings, data: DataInfo | None) -> str | None:
    """Why its trials run alone, or None."""
    if settings.tuning is not None:
        return "the cell is tuned, and its values are not known before"
    model, optimizer = (level.parts[0].component for level in (combination.model, combination.optimizer))
    regularizers = [cast(type[Regularizer], part.component) for part in combination.regularizer.parts]
    learning = cast(type[Model], model), cast(type[Optimizer], optimizer), regularizers
    return unfusable(*learning, settings.protocol, settings.resources.workers, data)


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
