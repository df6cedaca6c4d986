"""Reading `axes`, `include` and `zip`: the levels of each factor, and how they are combined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.grid import nodes
from orchestrator.grid.axis import Axis
from orchestrator.grid.components import read_entry
from orchestrator.grid.labels import Labels
from orchestrator.grid.levels import Entry, Family
from orchestrator.grid.nodes import At, Node, Scalar, plain
from orchestrator.grid.problems import Problems, near, shown
from orchestrator.grid.rules import Override
from orchestrator.grid.spec import AXES, Axes

Entries = Mapping[str, tuple[Entry, ...]]
"""What stands under each axis."""

_LEFT_OUT: Final = {"regularizer": "none"}
"""The level of an axis that the grid does not name."""


@dataclass(frozen=True, slots=True)
class Zip:
    """Axes that are walked level by level."""

    axes: tuple[str, ...]
    at: At


def read_axes(node: Node | None, root: At, problems: Problems) -> Entries:
    """The entries of all axes; one that has a problem is left out."""
    if not isinstance(node, nodes.Mapping):
        at = root if node is None else node.at
        problems.add(at, f"the grid needs axes, a mapping with the keys {', '.join(AXES)}")
        return {}
    return _levels(node, "axes", problems, whole_cell=False)


def read_included(node: Node | None, problems: Problems) -> list[Entries]:
    """The entries of each item of `include`."""
    if node is None:
        return []
    if not isinstance(node, nodes.Sequence):
        problems.add(node.at, "include has to be a list of cells")
        return []
    cells = []
    for index, item in enumerate(node.items):
        if isinstance(item, nodes.Mapping):
            cells.append(_levels(item, f"include[{index}]", problems, whole_cell=True))
        else:
            problems.add(item.at, f"include[{index}] has to be a mapping with the keys {', '.join(AXES)}")
    return cells


def read_zips(node: Node | None, problems: Problems) -> tuple[Zip, ...]:
    """The groups of `zip`."""
    if node is None:
        return ()
    groups = node.items if isinstance(node, nodes.Sequence) else (node,)
    seen: set[str] = set()
    for group in groups:
        if not isinstance(group, nodes.Sequence) or len(group.items) < 2:
            problems.add(group.at, "zip is a list of lists of two or more axes, such as [[model, optimizer]]")
        for item in nodes.items(group):
            name = plain(item)
            if name not in AXES:
                problems.add(item.at, f"unknown axis {shown(name)}; {near(str(name), AXES)}")
            elif name in seen:
                problems.add(item.at, f"the axis {name} is zipped twice")
            seen.add(str(name))
    return tuple(Zip(tuple(str(plain(item)) for item in nodes.items(group)), group.at) for group in groups)


def families_of(cells: Sequence[Entries]) -> dict[str, list[Family]]:
    """All families that stand under each axis."""
    return {
        axis: [family for entries in cells for entry in entries.get(axis, ()) for family in entry.families]
        for axis in AXES
    }


def labels_of(families: Mapping[str, Sequence[Family]], overrides: Sequence[Override]) -> dict[str, Labels]:
    """Labels that tell apart all levels of an axis, those that overrides make among them."""
    made = {axis: list(given) for axis, given in families.items()}
    for override in overrides:
        for axis, components in override.components.items():
            made[axis] += [
                family.with_given({**family.given, **{key: (value,) for key, value in values.items()}})
                for component, values in components.items()
                for family in families[axis]
                if family.component is component
            ]
    return {axis: Labels(given) for axis, given in made.items()}


def expanded(entries: Entries, labels: Mapping[str, Labels], zips: Sequence[Zip], problems: Problems) -> Axes:
    """The axes with their levels. Zipped axes of unequal length are noted."""
    walked = {axis for group in zips for axis in group.axes}
    axes = Axes(*(Axis(axis, entries[axis], labels[axis], axis in walked) for axis in AXES))
    for group in zips:
        counts = {axis: len(getattr(axes, axis)) for axis in group.axes}
        if len(set(counts.values())) > 1:
            told = " and ".join(f"{axis} has {count}" for axis, count in counts.items())
            problems.add(group.at, f"zip walks axes level by level, so they need equally many levels: {told}")
    return axes


def _levels(node: nodes.Mapping, where: str, problems: Problems, whole_cell: bool) -> Entries:
    problems.unknown_keys(node, AXES, "axis")
    found: dict[str, tuple[Entry, ...]] = {}
    for axis in AXES:
        levels = node.get(axis)
        if levels is None and axis in _LEFT_OUT:
            levels = Scalar(_LEFT_OUT[axis], node.at)
        if levels is None:
            problems.add(node.at, f"{where} needs the axis {axis}")
            continue
        written = _one_each(axis, levels, whole_cell)
        if not written:
            problems.add(node.entries[axis].at, f"the axis {axis} has no levels; write at least one")
        read = [read_entry(axis, level, problems) for level in written]
        found[axis] = tuple(entry for entry in read if entry is not None)
    return found


def _one_each(axis: str, levels: Node, whole_cell: bool) -> tuple[Node, ...]:
    """The levels as they stand. In a whole cell a flat list of regularizers is one level of several together."""
    if isinstance(levels, Scalar) and levels.value is None:
        return ()
    together = whole_cell and axis == "regularizer" and isinstance(levels, nodes.Sequence)
    if together and not any(isinstance(item, nodes.Sequence) for item in nodes.items(levels)):
        return (levels,)
    return nodes.items(levels)
