"""An axis: all its levels, each once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from clusters.yaml_file import At
from orchestrator.grid.levels import AxisEntry, Labels, Level, ParameterGrid, Parts, meaning
from trainables.component import Component

KEPT: Final = 20_000
"""So many levels are kept in memory with their labels and digests; those of longer axes are made again when needed."""


class Axis:
    """The levels of one factor of the grid, in its order. Equal levels (0.1 and 1e-1) are there once."""

    def __init__(self, name: str, written: Sequence[AxisEntry], labels: Labels, walked: bool = False) -> None:
        """walked: the axis is walked level by level with another (`zip`), so that equal levels have to stay."""
        self.name = name
        self.entries = tuple(written)
        self.labels = labels
        self._groups: list[Collection[Parts]] = list(written) if walked else _without_repeats(written)
        self._length = sum(len(group) for group in self._groups)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Level]:
        return iter(self._levels) if len(self) <= KEPT else self._made()

    def holds(self, level: Level) -> bool:
        """Whether an equal level is on the axis."""
        return any(entry.holds(level.parts) for entry in self.entries)

    @property
    def components(self) -> frozenset[type[Component]]:
        """All components that stand on the axis."""
        return frozenset(param_grid.component for entry in self.entries for param_grid in entry.param_grids)

    @property
    def hides_differences(self) -> bool:
        """Whether levels differ in what is no part of their identity, so that they may come to the same cell."""
        return any(
            len({value.text for value in values}) > len({value.identity for value in values})
            for component in self.components
            for key in component.model_fields
            if (values := [value for param_grid in self._param_grids(component) for value in param_grid.values[key]])
        )

    def _param_grids(self, component: type[Component]) -> list[ParameterGrid]:
        return [
            param_grid
            for entry in self.entries
            for param_grid in entry.param_grids
            if param_grid.component is component
        ]

    @property
    def repeated(self) -> tuple[At, ...]:
        """Where levels stand that were left out because an equal one stands before them."""
        pairs = zip(self.entries, self._groups, strict=True)
        return tuple(entry.at for entry, group in pairs if len(group) < len(entry))

    def representatives(self, relevant: Mapping[type[Component], frozenset[str]]) -> Iterator[tuple[Level, int]]:
        """One level for all that agree on the relevant parameters, and how many they are."""
        for entry, group in zip(self.entries, self._groups, strict=True):
            alike = group.representatives(relevant) if isinstance(group, AxisEntry) else ((parts, 1) for parts in group)
            for parts, count in alike:
                yield Level(parts, self.labels, entry.at), count

    @cached_property
    def _levels(self) -> list[Level]:
        return list(self._made())

    def _made(self) -> Iterator[Level]:
        for entry, group in zip(self.entries, self._groups, strict=True):
            for parts in group:
                yield Level(parts, self.labels, entry.at)


def _without_repeats(written: Sequence[AxisEntry]) -> list[Collection[Parts]]:
    entries = [entry.unique() for entry in written]
    if sum(len(entry) for entry in entries) <= KEPT:
        return _each_once(entries)
    groups: list[Collection[Parts]] = []
    for index, entry in enumerate(entries):
        earlier = [other for other in entries[:index] if entry.overlaps(other)]
        groups.append(_Remainder(entry, earlier) if earlier else entry)
    return groups


def _each_once(entries: Sequence[AxisEntry]) -> list[Collection[Parts]]:
    seen: set[tuple[object, ...]] = set()
    groups: list[Collection[Parts]] = []
    for entry in entries:
        new = {meaning(parts): parts for parts in reversed(list(entry))}
        kept = [parts for key, parts in reversed(new.items()) if key not in seen]
        seen.update(new)
        groups.append(entry if len(kept) == len(entry) else kept)
    return groups


@dataclass(frozen=True)
class _Remainder(Collection[Parts]):
    """What an entry has beyond earlier ones that share levels with it."""

    entry: AxisEntry
    earlier: Sequence[AxisEntry]

    def __iter__(self) -> Iterator[Parts]:
        return (parts for parts in self.entry if parts in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, parts: object) -> bool:
        return isinstance(parts, tuple) and not any(other.holds(parts) for other in self.earlier)
