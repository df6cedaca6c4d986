"""Rules on cells: which cells a rule means, what it excludes and what it sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.grid.levels import Family, Level, Part, meaning
from orchestrator.grid.nodes import At, Entry
from orchestrator.grid.parameters import Value
from trainables.component import Component


@dataclass(frozen=True)
class Pattern:
    """A component and values of some of its parameters."""

    component: type[Component]
    values: dict[str, frozenset[str]] = field(default_factory=dict)
    """JSON of the values that each named parameter may have."""

    def matches(self, part: Part) -> bool:
        return self.component is part.component and all(
            part.values[key].text in texts for key, texts in self.values.items()
        )

    def may_match(self, family: Family) -> bool:
        """Whether it matches some of a family's parts."""
        return self.component is family.component and all(
            any(value.text in texts for value in family.values[key]) for key, texts in self.values.items()
        )


@dataclass(frozen=True)
class AxisSelector:
    """Which levels of one axis a rule means."""

    patterns: tuple[Pattern, ...]
    together: bool = False
    """The patterns are those of a regularizer level's parts, one each. Otherwise any of them may match any part."""

    def matches(self, level: Level) -> bool:
        if self.together:
            return len(self.patterns) == len(level.parts) and all(
                pattern.matches(part) for pattern, part in zip(self.patterns, level.parts, strict=True)
            )
        return any(pattern.matches(part) for pattern in self.patterns for part in level.parts)


@dataclass(frozen=True)
class Selector:
    """Which cells a rule means: those whose levels match on every axis that it names."""

    axes: dict[str, AxisSelector]

    def matches(self, axis: str, level: Level) -> bool:
        """Whether a level is no reason for the rule not to hold."""
        return axis not in self.axes or self.axes[axis].matches(level)


@dataclass(frozen=True)
class Include:
    """Cells that are there even where they are excluded."""

    axes: dict[str, frozenset[object]]
    """For each axis the meanings of the levels."""

    def matches(self, axis: str, level: Level) -> bool:
        return meaning(level.parts) in self.axes[axis]


@dataclass(frozen=True)
class Exclude:
    """Cells that are skipped."""

    selector: Selector
    name: str
    """`exclude[0]`, as the skipped rows say."""
    at: At


@dataclass(frozen=True)
class Override:
    """Cells for which something else holds than for the rest."""

    selector: Selector
    name: str
    at: At
    settings: Mapping[str, Sequence[tuple[list[str], Entry]]]
    """For `protocol` and `resources`: paths of keys and what stands there instead."""
    components: Mapping[str, Mapping[type[Component], Mapping[str, Value]]]
    """For an axis: the parameters that are set of each component."""


Rule = Exclude | Override


def mask(selectors: Sequence[Selector | Include], axis: str, level: Level) -> int:
    """One bit for each rule: whether this level leaves it standing. A cell is meant where all its levels do."""
    return sum(1 << bit for bit, selector in enumerate(selectors) if selector.matches(axis, level))


def ruled_on(rules: Iterable[Rule]) -> Iterator[tuple[type[Component], str]]:
    """The parameters that rules look at."""
    for rule in rules:
        for selected in rule.selector.axes.values():
            for pattern in selected.patterns:
                yield from ((pattern.component, key) for key in pattern.values)
