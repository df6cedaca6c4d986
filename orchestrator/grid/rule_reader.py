"""Reading `exclude` and `overrides`: patterns of levels, and what is set where they match."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.grid import nodes
from orchestrator.grid.components import read_component
from orchestrator.grid.levels import Family
from orchestrator.grid.nodes import At, Entry, Node
from orchestrator.grid.parameters import Value, others_of, split, validated, value_of
from orchestrator.grid.problems import Problems, near
from orchestrator.grid.reads import invalid_combination
from orchestrator.grid.rules import AxisSelector, Exclude, Override, Pattern, Selector
from orchestrator.grid.settings import Resources, overlaid, read_settings
from trainables.component import Component
from trainables.protocol import Protocol

Families = Mapping[str, Sequence[Family]]
"""For each axis, all families that the grid names."""

_SECTIONS: Final[dict[str, Any]] = {"protocol": Protocol, "resources": Resources}
_SET_AXES: Final = ("model", "optimizer", "regularizer")


def read_excludes(node: Node | None, families: Families, problems: Problems) -> tuple[Exclude, ...]:
    """The rules of `exclude`."""
    rules = []
    for index, item in enumerate(_rules(node, "exclude", problems)):
        selector = _selector(item, families, f"exclude[{index}]", problems)
        if selector is not None:
            rules.append(Exclude(selector, f"exclude[{index}]", item.at))
    return tuple(rules)


def read_overrides(
    node: Node | None, families: Families, written: Mapping[str, nodes.Mapping | None], problems: Problems
) -> tuple[Override, ...]:
    """The rules of `overrides`. written: the sections `protocol` and `resources` as they stand."""
    rules = []
    for index, item in enumerate(_rules(node, "overrides", problems)):
        name = f"overrides[{index}]"
        problems.unknown_keys(item, ("when", "set"), f"key of {name}")
        when, change = item.get("when"), item.get("set")
        if not isinstance(when, nodes.Mapping) or not isinstance(change, nodes.Mapping) or not change.entries:
            problems.add(item.at, f"{name} needs the keys when and set, each a mapping")
            continue
        selector = _selector(when, families, f"{name}.when", problems)
        if selector is not None:
            rules.append(_Change(name, selector, families, problems).read(change, item.at, written))
    return tuple(rules)


def _rules(node: Node | None, name: str, problems: Problems) -> Iterable[nodes.Mapping]:
    if node is None:
        return
    if not isinstance(node, nodes.Sequence):
        problems.add(node.at, f"{name} has to be a list")
        return
    for index, item in enumerate(node.items):
        if isinstance(item, nodes.Mapping):
            yield item
        else:
            problems.add(item.at, f"{name}[{index}] has to be a mapping")


def _selector(node: nodes.Mapping, families: Families, name: str, problems: Problems) -> Selector | None:
    before = len(problems)
    problems.unknown_keys(node, families, "axis")
    if not node.entries:
        problems.add(node.at, f"{name} names no axis, so it would match every cell")
    axes = {
        axis: _axis_selector(axis, entry.value, families[axis], problems) for axis, entry in node if axis in families
    }
    return Selector(axes) if len(problems) == before else None


def _axis_selector(axis: str, node: Node, families: Sequence[Family], problems: Problems) -> AxisSelector:
    if isinstance(node, nodes.Sequence) and not node.items:
        problems.add(node.at, "an empty list matches nothing")
    patterns = [read_pattern(axis, item, families, problems) for item in nodes.items(node)]
    together = axis == "regularizer" and isinstance(node, nodes.Sequence)
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

    def read(self, node: nodes.Mapping, at: At, written: Mapping[str, nodes.Mapping | None]) -> Override:
        for path, entry in node:
            section, *keys = path.split(".")
            if section in _SECTIONS and keys:
                self._setting(section, keys, entry)
            elif section in _SET_AXES and len(keys) == 1:
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
