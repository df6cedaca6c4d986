"""Rules on cells: which cells a rule means, what it excludes and what it sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.grid import yaml_file
from orchestrator.grid.components import read_component
from orchestrator.grid.levels import Family, Level, Part, meaning
from orchestrator.grid.problems import Problems, near
from orchestrator.grid.settings import Resources, overlaid, read_settings
from orchestrator.grid.values import Value, invalid_combination, others_of, split, validated, value_of
from orchestrator.grid.yaml_file import At, Entry, Node
from trainables import LEARNING_AXES
from trainables.component import Component
from trainables.protocol import Protocol


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


# Reading `exclude` and `overrides`: patterns of levels, and what is set where they match.

Families = Mapping[str, Sequence[Family]]
"""For each axis, all families that the grid names."""

_SECTIONS: Final[dict[str, Any]] = {"protocol": Protocol, "resources": Resources}


def read_excludes(node: Node | None, families: Families, problems: Problems) -> tuple[Exclude, ...]:
    """The rules of `exclude`."""
    rules = []
    for index, item in enumerate(_rules(node, "exclude", problems)):
        selector = _selector(item, families, f"exclude[{index}]", problems)
        if selector is not None:
            rules.append(Exclude(selector, f"exclude[{index}]", item.at))
    return tuple(rules)


def read_overrides(
    node: Node | None, families: Families, written: Mapping[str, yaml_file.Mapping | None], problems: Problems
) -> tuple[Override, ...]:
    """The rules of `overrides`. written: the sections `protocol` and `resources` as they stand."""
    rules = []
    for index, item in enumerate(_rules(node, "overrides", problems)):
        name = f"overrides[{index}]"
        problems.unknown_keys(item, ("when", "set"), f"key of {name}")
        when, change = item.get("when"), item.get("set")
        if not isinstance(when, yaml_file.Mapping) or not isinstance(change, yaml_file.Mapping) or not change.entries:
            problems.add(item.at, f"{name} needs the keys when and set, each a mapping")
            continue
        selector = _selector(when, families, f"{name}.when", problems)
        if selector is not None:
            rules.append(_Change(name, selector, families, problems).read(change, item.at, written))
    return tuple(rules)


def _rules(node: Node | None, name: str, problems: Problems) -> Iterable[yaml_file.Mapping]:
    if node is None:
        return
    if not isinstance(node, yaml_file.Sequence):
        problems.add(node.at, f"{name} has to be a list")
        return
    for index, item in enumerate(node.items):
        if isinstance(item, yaml_file.Mapping):
            yield item
        else:
            problems.add(item.at, f"{name}[{index}] has to be a mapping")


def _selector(node: yaml_file.Mapping, families: Families, name: str, problems: Problems) -> Selector | None:
    before = len(problems)
    problems.unknown_keys(node, families, "axis")
    if not node.entries:
        problems.add(node.at, f"{name} names no axis, so it would match every cell")
    axes = {
        axis: _axis_selector(axis, entry.value, families[axis], problems) for axis, entry in node if axis in families
    }
    return Selector(axes) if len(problems) == before else None


def _axis_selector(axis: str, node: Node, families: Sequence[Family], problems: Problems) -> AxisSelector:
    if isinstance(node, yaml_file.Sequence) and not node.items:
        problems.add(node.at, "an empty list matches nothing")
    patterns = [read_pattern(axis, item, families, problems) for item in yaml_file.items(node)]
    together = axis == "regularizer" and isinstance(node, yaml_file.Sequence)
    return AxisSelector(tuple(pattern for pattern in patterns if pattern is not None), together)


def read_pattern(axis: str, node: Node, families: Sequence[Family], problems: Problems) -> Pattern | None:
    """A name, or a mapping with values of some parameters. families: those of the grid, beside which values are checked."""
    found = read_component(axis, node, problems)
    if found is None:
        return None
    component, parameters = found
    same = [family for family in families if family.component is component]
    return Pattern(
        component,
        {
            key: frozenset(_text(component, key, value, same, problems) for value in split(component, key, entry.value))
            for key, entry in parameters
            if key in component.model_fields
        },
    )


def _text(component: type[Component], key: str, node: Node, families: Sequence[Family], problems: Problems) -> str:
    """The JSON that a level's value has to equal."""
    others: list[dict[str, Any]] = [others_of(family.values, key) for family in families] or [{}]
    for known in others:
        attempt = Problems(Path(problems.file))
        valid = validated(component, key, node, known, attempt, node)
        if valid is not None:
            return value_of(valid, key).text
    problems.take(attempt)
    return ""


class _Change:
    """Reads the `set` of one override."""

    def __init__(self, name: str, selector: Selector, families: Families, problems: Problems) -> None:
        self._name = name
        self._selector = selector
        self._families = families
        self._problems = problems
        self._settings: dict[str, list[tuple[list[str], Entry]]] = {}
        self._components: dict[str, dict[type[Component], dict[str, Value]]] = {}

    def read(self, node: yaml_file.Mapping, at: At, written: Mapping[str, yaml_file.Mapping | None]) -> Override:
        for path, entry in node:
            section, *keys = path.split(".")
            if section in _SECTIONS and keys:
                self._setting(section, keys, entry)
            elif section in LEARNING_AXES and len(keys) == 1:
                self._parameter(section, keys[0], entry)
            else:
                hint = "protocol.epochs, resources.workers, model.width or optimizer.lr"
                self._problems.add(entry.at, f"{self._name} cannot set {path!r}; it sets keys such as {hint}")
        for section, changes in self._settings.items():
            changed = written[section]
            for keys, entry in changes:
                changed = overlaid(changed, keys, entry)
            read_settings(_SECTIONS[section], changed, section, self._problems)
        return Override(self._selector, self._name, at, self._settings, self._components)

    def _setting(self, section: str, keys: list[str], entry: Entry) -> None:
        known = list(_SECTIONS[section].model_fields)
        if keys[0] not in known:
            self._problems.add(entry.at, f"unknown key {keys[0]!r} of {section}; {near(keys[0], known)}")
            return
        self._settings.setdefault(section, []).append((keys, entry))

    def _parameter(self, axis: str, key: str, entry: Entry) -> None:
        selected = self._selector.axes.get(axis)
        components = {pattern.component for pattern in selected.patterns} if selected else None
        families = [family for family in self._families[axis] if not components or family.component in components]
        having = [family for family in families if key in family.component.model_fields]
        if not families:
            return  # nothing to set it on; that the rule matches no cell is a warning of its own
        lacking = sorted({family.component.name for family in families if family not in having})
        if not having or (lacking and axis != "regularizer"):
            fields = {name for family in families for name in family.component.model_fields}
            self._problems.add(
                entry.at,
                f"{self._name} sets {axis}.{key}, but {' and '.join(lacking)} has no parameter {key!r}; "
                f"narrow `when`, or: {near(key, sorted(fields))}",
            )
            return
        for family in having:
            self._value(axis, key, entry, family)

    def _value(self, axis: str, key: str, entry: Entry, family: Family) -> None:
        valid = validated(
            family.component, key, entry.value, others_of(family.values, key), self._problems, entry.value
        )
        if valid is None:
            return
        value = value_of(valid, key)
        if reason := invalid_combination(family.component, {**family.values, key: (value,)}):
            self._problems.add(entry.at, f"{family.component.name}: {reason}")
        self._components.setdefault(axis, {}).setdefault(family.component, {})[key] = value
