"""Combining the levels of the axes: the product, what is zipped, what is added, and which rules hold for each."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import product
from typing import NamedTuple

from orchestrator.grid.axis import KEPT
from orchestrator.grid.levels import Level, meaning
from orchestrator.grid.rules import Include, Override, Selector, mask, ruled_on
from orchestrator.grid.spec import GridSpec
from orchestrator.plan.cell import deploys
from trainables import AXES
from trainables.component import Component


class Combination(NamedTuple):
    """A level of each axis, and the rules that hold for them."""

    dataset: Level
    model: Level
    optimizer: Level
    regularizer: Level
    deployment: Level
    rules: int
    """A bit for each rule of the grid; `GridIterator` knows which."""


Chosen = tuple[Level, ...]
LookedAt = Mapping[type[Component], frozenset[str]]
"""The parameters of each component that something depends on."""


class GridIterator:
    """Goes through the combinations of a grid."""

    def __init__(self, grid: GridSpec) -> None:
        self._grid = grid
        self._kept: dict[tuple[str, ...], list[tuple[Chosen, int]]] = {}
        self._included = [
            Include({axis.name: frozenset(meaning(level.parts) for level in axis) for axis in cells})
            for cells in grid.include
        ]
        self._selectors: list[Selector | Include] = [
            *(rule.selector for rule in grid.exclude),
            *(rule.selector for rule in grid.overrides),
            *self._included,
        ]
        self._excluding = (1 << len(grid.exclude)) - 1
        self._overriding = (1 << len(grid.exclude) + len(grid.overrides)) - 1 & ~self._excluding
        self._including = (1 << len(self._selectors)) - 1 & ~(self._excluding | self._overriding)
        zipped = {axis for group in grid.zip for axis in group}
        single = [(axis,) for axis in AXES if axis not in zipped]
        self._groups = sorted((*grid.zip, *single), key=lambda group: min(map(AXES.index, group)))
        self._groups += [()] * (len(AXES) - len(self._groups))
        self._order = [[axis for group in self._groups for axis in group].index(axis) for axis in AXES]

    def __iter__(self) -> Iterator[Combination]:
        """Yield every combination of the axes, then those that `include` adds. The data set changes slowest."""
        first, second, third, fourth, fifth = self._order
        for chosen, rules in self._combined():
            yield Combination(*(chosen[first], chosen[second], chosen[third], chosen[fourth], chosen[fifth]), rules)
        yield from self._added()

    def alike(self, looked_at: LookedAt) -> Iterator[tuple[Combination, int]]:
        """Yield one combination for all that agree on what rules look at and on `looked_at`, and how many they are.

        Not for a grid with `zip`.
        """
        nothing: frozenset[str] = frozenset()
        relevant = {
            component: looked_at.get(component, nothing) | self._ruled.get(component, nothing)
            for axis in self._grid.axes
            for component in axis.components
        }
        axes = [
            [(level, count, self._mask(axis.name, level)) for level, count in axis.representatives(relevant)]
            for axis in self._grid.axes
        ]
        for (data, n, at_data), (model, m, at_model) in product(axes[0], axes[1]):
            for (optimizer, k, at_optimizer), (regularizer, r, at_regularizer) in product(axes[2], axes[3]):
                rules = at_data & at_model & at_optimizer & at_regularizer
                for deployment, d, at_deployment in axes[4]:
                    levels = data, model, optimizer, regularizer, deployment
                    yield Combination(*levels, rules & at_deployment), n * m * k * r * d
        yield from ((combination, 1) for combination in self._added())

    def excluded_by(self, rules: int) -> str | None:
        """The reason of a combination that is excluded (the first such rule), or None."""
        excluding = rules & self._excluding
        if not excluding or rules & self._including:
            return None
        return f"excluded by {self._grid.exclude[(excluding & -excluding).bit_length() - 1].name}"

    def trained(self, combination: Combination) -> Combination:
        """The combination whose net this one's deployment is of."""
        level = next(level for level in self._grid.axes.deployment if not deploys(level))
        trained, rules = combination._replace(deployment=level), -1
        for axis in AXES:
            rules &= self._mask(axis, getattr(trained, axis))
        return trained._replace(rules=rules)

    def overriding(self, rules: int) -> int:
        """The bits of the overrides alone."""
        return rules & self._overriding

    def overrides(self, rules: int) -> tuple[Override, ...]:
        """The overrides that hold for a combination, in the grid's order."""
        above = rules >> len(self._grid.exclude)
        return tuple(rule for bit, rule in enumerate(self._grid.overrides) if above >> bit & 1)

    def _mask(self, axis: str, level: Level) -> int:
        return mask(self._selectors, axis, level) if self._selectors else 0

    def _combined(self) -> Iterator[tuple[Chosen, int]]:
        first, second, third, fourth, fifth = (self._steps(group) for group in self._groups)
        for a, at_a in first():
            for b, at_b in second():
                for c, at_c in third():
                    abc, at_abc = (*a, *b, *c), at_a & at_b & at_c
                    for d, at_d in fourth():
                        abcd, at_abcd = (*abc, *d), at_abc & at_d
                        for e, at_e in fifth():
                            yield (*abcd, *e), at_abcd & at_e

    def _steps(self, group: tuple[str, ...]) -> Callable[[], Iterable[tuple[Chosen, int]]]:
        """The levels of one axis, or of axes that are walked together, with the rules that they leave standing."""
        if group not in self._kept:
            if sum(len(getattr(self._grid.axes, axis)) for axis in group) > KEPT:
                return lambda: self._made(group)
            self._kept[group] = list(self._made(group))
        return lambda: self._kept[group]

    def _made(self, group: tuple[str, ...]) -> Iterator[tuple[Chosen, int]]:
        if not group:
            yield (), -1
        for chosen in zip(*(getattr(self._grid.axes, axis) for axis in group), strict=True):
            rules = -1
            for axis, level in zip(group, chosen, strict=True):
                rules &= self._mask(axis, level)
            yield chosen, rules

    @cached_property
    def _ruled(self) -> dict[type[Component], frozenset[str]]:
        """The parameters that rules look at; a cell that is added is looked at as a whole."""
        found: dict[type[Component], frozenset[str]] = {}
        for component, key in ruled_on((*self._grid.exclude, *self._grid.overrides)):
            found[component] = found.get(component, frozenset()) | {key}
        for cells in self._grid.include:
            for axis in cells:
                found |= {component: frozenset(component.model_fields) for component in axis.components}
        return found

    def _added(self) -> Iterator[Combination]:
        """Yield what `include` names and the axes do not combine, each once."""
        seen: set[object] = set()
        for cells in self._grid.include:
            for chosen in product(*cells):
                key = tuple(meaning(level.parts) for level in chosen)
                if key in seen or self._is_combined(chosen):
                    continue
                seen.add(key)
                rules = -1
                for axis, level in zip(AXES, chosen, strict=True):
                    rules &= self._mask(axis, level)
                yield Combination(*chosen, rules)

    def _is_combined(self, chosen: Chosen) -> bool:
        """Whether the axes combine these levels."""
        levels = dict(zip(AXES, chosen, strict=True))
        return all(
            any(
                all(meaning(step.parts) == meaning(levels[axis].parts) for axis, step in zip(group, steps, strict=True))
                for steps, _ in self._steps(group)()
            )
            if len(group) > 1
            else getattr(self._grid.axes, group[0]).holds(levels[group[0]])
            for group in filter(None, self._groups)
        )
