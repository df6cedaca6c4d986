"""A grid without the levels that none of some cells can have: how few cells are found in a large grid.

What is left still combines to more than those cells, but leaves out none of them, and stays in the grid's order.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from orchestrator.grid.axis import Axis
from orchestrator.grid.levels import Entry, Family
from orchestrator.grid.models import reads_files
from orchestrator.grid.parameters import Value, json_of
from orchestrator.grid.spec import Axes, GridSpec
from trainables.component import Component

Texts = Mapping[str, Collection[str]]
"""Parameter to the JSON of its values."""

_FORM: Final = ("canonical", "digest", "parameters", "_identity", "model_dump")
"""What makes a component's identity of its parameters."""


@dataclass(frozen=True)
class Occurring:
    """The values that parameters have among some cells."""

    axes: Mapping[str, Mapping[str, Texts]] = field(default_factory=dict)
    """Axis to component. Nothing is known of an axis that is not there."""

    @classmethod
    def among(cls, configurations: Mapping[str, Iterable[str]]) -> Self:
        """configurations: for each axis, the JSON that the journal has for its levels, each at least once."""
        return cls({axis: _by_component(texts) for axis, texts in configurations.items()})


def narrowed(grid: GridSpec, occurring: Occurring) -> GridSpec:
    """The grid without values that do not occur; itself where none can be left out.

    Axes that are zipped stay as they are, and all of them where overrides set parameters of components.
    """
    if any(override.components for override in grid.overrides):
        return grid
    zipped = {axis for group in grid.zip for axis in group}
    axes, *include = (
        Axes(*(axis if axis.name in zipped else _axis(axis, occurring) for axis in cells))
        for cells in (grid.axes, *grid.include)
    )
    if axes == grid.axes and tuple(include) == grid.include:
        return grid
    return grid.model_copy(update={"axes": axes, "include": tuple(include)})


def _by_component(configurations: Iterable[str]) -> dict[str, dict[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    for text in configurations:
        level = json.loads(text)
        for part in level if isinstance(level, list) else [level]:
            values = found.setdefault(part.pop("name"), {})
            for key, value in part.items():
                values.setdefault(key, set()).add(json_of(value))
    return found


def _axis(axis: Axis, occurring: Occurring) -> Axis:
    components = occurring.axes.get(axis.name)
    if components is None:
        return axis
    entries = [_entry(entry, components) for entry in axis.entries]
    kept = [entry for entry in entries if entry is not None]
    return axis if tuple(kept) == axis.entries else Axis(axis.name, kept, axis.labels)


def _entry(entry: Entry, components: Mapping[str, Texts]) -> Entry | None:
    families = [_family(family, components) for family in entry.families]
    kept = tuple(family for family in families if family is not None)
    if len(kept) < len(families):
        return None
    return entry if kept == entry.families else Entry(kept, entry.at)


def _family(family: Family, components: Mapping[str, Texts]) -> Family | None:
    """The family with the values that occur, or None where some parameter has no such value."""
    component = family.component
    if component.name == "none" or reads_files(component) or not _is_told(component):
        return family
    texts = components.get(component.name)
    if texts is None:
        return None
    values = {
        key: tuple(value for value in values if _may_occur(key, value, texts.get(key, ())))
        for key, values in family.values.items()
    }
    if not all(values.values()):
        return None
    return family if values == family.values else family.having(values)


def _is_told(component: type[Component]) -> bool:
    """Whether the journal tells the identity of a component: not where a plug-in has a form of its own."""
    return all(getattr(component, name) is getattr(Component, name) for name in _FORM)


def _may_occur(key: str, value: Value, texts: Collection[str]) -> bool:
    """Whether a cell may have a value.

    What stands otherwise in the identity than in the journal may: a parameter that is left out of it (earlier results
    may not have had it), or a component of its own.
    """
    return value.text in texts or value.identity != f'"{key}":{value.text}'
