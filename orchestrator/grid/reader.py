"""A grid file to a GridSpec: every section read, every problem told at once."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import Problem, UserError
from orchestrator.grid import yaml_file
from orchestrator.grid.axis import Axis
from orchestrator.grid.claims_reader import read_claims
from orchestrator.grid.components import read_entry
from orchestrator.grid.levels import Entry, Family, Labels
from orchestrator.grid.problems import Problems, near, shown
from orchestrator.grid.rules import Exclude, Override, read_excludes, read_overrides
from orchestrator.grid.settings import Resources, Wandb, read_checkpoints, read_settings
from orchestrator.grid.spec import MAX_SEED, Axes, GridSpec, Written
from orchestrator.grid.tuning import read_tuning
from orchestrator.grid.yaml_file import At, Node, Scalar, parse, plain, read_source
from trainables import AXES
from trainables.protocol import LAST, Protocol
from trainables.registry import registry
from trainables.task import Task

# Reading `axes`, `include` and `zip`: the levels of each factor, and how they are combined.

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
    if not isinstance(node, yaml_file.Mapping):
        at = root if node is None else node.at
        problems.add(at, f"the grid needs axes, a mapping with the keys {', '.join(AXES)}")
        return {}
    return _levels(node, "axes", problems, whole_cell=False)


def read_included(node: Node | None, problems: Problems) -> list[Entries]:
    """The entries of each item of `include`."""
    if node is None:
        return []
    if not isinstance(node, yaml_file.Sequence):
        problems.add(node.at, "include has to be a list of cells")
        return []
    cells = []
    for index, item in enumerate(node.items):
        if isinstance(item, yaml_file.Mapping):
            cells.append(_levels(item, f"include[{index}]", problems, whole_cell=True))
        else:
            problems.add(item.at, f"include[{index}] has to be a mapping with the keys {', '.join(AXES)}")
    return cells


def read_zips(node: Node | None, problems: Problems) -> tuple[Zip, ...]:
    """The groups of `zip`."""
    if node is None:
        return ()
    groups = node.items if isinstance(node, yaml_file.Sequence) else (node,)
    seen: set[str] = set()
    for group in groups:
        if not isinstance(group, yaml_file.Sequence) or len(group.items) < 2:
            problems.add(group.at, "zip is a list of lists of two or more axes, such as [[model, optimizer]]")
        for item in yaml_file.items(group):
            name = plain(item)
            if name not in AXES:
                problems.add(item.at, f"unknown axis {shown(name)}; {near(str(name), AXES)}")
            elif name in seen:
                problems.add(item.at, f"the axis {name} is zipped twice")
            seen.add(str(name))
    return tuple(Zip(tuple(str(plain(item)) for item in yaml_file.items(group)), group.at) for group in groups)


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


def _levels(node: yaml_file.Mapping, where: str, problems: Problems, whole_cell: bool) -> Entries:
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
    together = whole_cell and axis == "regularizer" and isinstance(levels, yaml_file.Sequence)
    if together and not any(isinstance(item, yaml_file.Sequence) for item in yaml_file.items(levels)):
        return (levels,)
    return yaml_file.items(levels)


# What the section `wandb` asks for and cannot have: each is allowed, and nothing would come of it.


def idle_keys(
    node: Node | None, wandb: Wandb, protocol: Protocol, overrides: Sequence[Override]
) -> Iterator[tuple[At, str]]:
    """Where such a key stands, and why it comes to nothing."""
    if not isinstance(node, yaml_file.Mapping):
        return
    asked = {"live": wandb.live == "on", "artifacts": wandb.artifacts == "best", "alert": wandb.alert != "none"}
    for key in (key for key, is_asked in asked.items() if is_asked):
        at, value = node.entries[key].value.at, getattr(wandb, key)
        if key == "live" and wandb.mode in ("offline", "disabled"):  # the others come with `orch wandb push`
            yield at, f"wandb.live: on comes to nothing with wandb.mode: {wandb.mode}, which sends nothing"
        elif wandb.runs == "cells":
            yield at, f"wandb.{key}: {value} comes to nothing with wandb.runs: cells, which is for trials"
        elif key == "artifacts" and not _keeps_weights(protocol, overrides):
            yield at, "wandb.artifacts: best sends the weights that trials keep; set protocol.keep_weights: best too"


def _keeps_weights(protocol: Protocol, overrides: Sequence[Override]) -> bool:
    """Whether any trial may keep them."""
    settings = [setting for override in overrides for setting in override.settings.get("protocol", ())]
    return protocol.keep_weights == "best" or any(
        path == ["keep_weights"] and plain(entry.value) == "best" for path, entry in settings
    )


NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
ROOT_KEYS: Final = tuple(
    "name axes seeds protocol resources exclude include zip overrides tuning claims wandb checkpoints".split()  # noqa: SIM905 - reads as one line
)
_MAY_BE_EMPTY: Final = frozenset(ROOT_KEYS) - {"name", "axes", "seeds"}


def read_grid(path: Path) -> GridSpec:
    """Read and validate a grid file.

    Raises UserError where the file cannot be read, and GridError with all that is wrong in it.
    """
    return _read(read_source(path), path)


def read_text(text: str, path: Path) -> GridSpec:
    """The same of a grid's text. path: what it is called where something is wrong. Raises GridError."""
    return _read(parse(text, str(path)), path)


def _read(written_root: yaml_file.Mapping, path: Path) -> GridSpec:
    root = _without_empty_sections(written_root)
    problems = Problems(path)
    problems.unknown_keys(root, ROOT_KEYS, "key")
    name = _name(root, problems)
    seeds = _seeds(root.get("seeds"), problems)
    protocol = read_settings(Protocol, root.get("protocol"), "protocol", problems)
    resources = read_settings(Resources, root.get("resources"), "resources", problems)
    wandb = read_settings(Wandb, root.get("wandb"), "wandb", problems)
    checkpoints = read_checkpoints(root.get("checkpoints"), problems)
    _check_selection(root.get("protocol"), protocol, problems)
    entries = read_axes(root.get("axes"), root.at, problems)
    included = read_included(root.get("include"), problems)
    cells = [entries, *included]
    families = families_of(cells)
    written = Written(_mapping(root.get("protocol")), _mapping(root.get("resources")))
    excludes = read_excludes(root.get("exclude"), families, problems)
    overrides = read_overrides(root.get("overrides"), families, written._asdict(), problems)
    tuning = read_tuning(root.get("tuning"), families, overrides, problems)
    zips = read_zips(root.get("zip"), problems)
    claims = read_claims(root.get("claims"), cells, lambda: labels_of(families, overrides), problems)
    problems.raise_if_any()
    labels = labels_of(families, overrides)
    axes = expanded(entries, labels, zips, problems)
    added = tuple(expanded(item, labels, (), problems) for item in included)
    problems.raise_if_any()
    assert name is not None and protocol is not None and resources is not None and wandb is not None
    idle = idle_keys(root.get("wandb"), wandb, protocol, overrides)
    return GridSpec(
        path=path,
        name=name,
        axes=axes,
        seeds=seeds,
        protocol=protocol,
        resources=resources,
        exclude=excludes,
        include=added,
        zip=tuple(group.axes for group in zips),
        overrides=overrides,
        tuning=tuning,
        claims=claims,
        wandb=wandb,
        checkpoints=checkpoints,
        warnings=tuple(_warnings(path, axes, (*excludes, *overrides), families, idle)),
        written=written,
    )


def _without_empty_sections(root: yaml_file.Mapping) -> yaml_file.Mapping:
    """A section of which everything is commented out is not given."""
    empty = [key for key, entry in root if key in _MAY_BE_EMPTY and _is_null(entry.value)]
    return root.without(*empty)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _mapping(node: Node | None) -> yaml_file.Mapping | None:
    return node if isinstance(node, yaml_file.Mapping) else None


def _name(root: yaml_file.Mapping, problems: Problems) -> str | None:
    node = root.get("name")
    if node is None:
        problems.add(root.at, "the grid needs a name; its results lie in results/<name>")
        return None
    name = plain(node)
    if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name):
        return name
    hint = " (in quotes, a number is text)" if isinstance(name, int | float) else ""
    problems.add(
        node.at,
        f"{shown(name)} is no name for a sweep{hint}: a letter or digit first, then letters, digits and . _ -, "
        "at most 100 characters",
    )
    return None


def _seeds(node: Node | None, problems: Problems) -> Sequence[int]:
    if node is None:
        return range(1)
    if isinstance(node, yaml_file.Sequence):
        return _listed_seeds(node, problems)
    count = plain(node)
    if _is_whole(count) and 1 <= count <= MAX_SEED:
        return range(count)
    problems.add(node.at, f"seeds has to be a whole number of at least 1, or a list of seeds, not {_seed(count)}")
    return ()


def _listed_seeds(node: yaml_file.Sequence, problems: Problems) -> Sequence[int]:
    if not node.items:
        problems.add(node.at, "seeds is an empty list; write at least one")
    seeds: dict[int, None] = {}
    for item in node.items:
        seed = plain(item)
        if not _is_whole(seed) or not 0 <= seed <= MAX_SEED:
            problems.add(item.at, f"a seed has to be a whole number of at least 0, not {_seed(seed)}")
        elif seed in seeds:
            problems.add(item.at, f"the seed {seed} stands twice")
        else:
            seeds[seed] = None
    return tuple(seeds)


def _seed(value: Any) -> str:
    """What was written for seeds, with the bound that it breaks where nobody would guess that."""
    too_great = _is_whole(value) and value > MAX_SEED
    return f"{shown(value)}; the greatest seed is {MAX_SEED}" if too_great else shown(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_selection(node: Node | None, protocol: Protocol | None, problems: Problems) -> None:
    """A measure that no task has is a slip of the pen; one that this data's task lacks makes a skipped cell."""
    if protocol is None or protocol.select is None or not isinstance(node, yaml_file.Mapping):
        return
    tasks = [registry.get("task", name) for name in registry.names("task")]
    measures = {measure for task in tasks if issubclass(task, Task) for measure in task.selections}
    known = sorted({*measures, LAST})
    if protocol.select not in known:
        at = node.entries["select"].value.at
        problems.add(at, f"unknown measure {protocol.select!r} to select on; {near(protocol.select, known)}")


def _warnings(
    path: Path,
    axes: Axes,
    rules: Sequence[Exclude | Override],
    families: Mapping[str, Sequence[Family]],
    others: Iterable[tuple[At, str]],
) -> list[Problem]:
    found: list[tuple[At, str]] = [
        (at, f"levels of the axis {axis.name} that stand before, written another way: left out")
        for axis in axes
        for at in axis.repeated
    ]
    found += [
        (rule.at, f"{rule.name} matches no cell of this grid")
        for rule in rules
        if not all(
            any(pattern.may_match(family) for pattern in selected.patterns for family in families[axis])
            for axis, selected in rule.selector.axes.items()
        )
    ]
    return [Problem(str(path), at.line, at.column, message) for at, message in sorted([*found, *others])]


# The commented grid that `orch init` writes.


def write_starter(path: Path) -> None:
    """Write a valid grid to start from, named after the file. Never overwrites. Raises UserError."""
    text = Path(__file__).with_name("starter.yaml").read_text(encoding="utf-8").format(name=_grid_name(path), file=path)
    try:
        with path.open("x", encoding="utf-8") as fresh:
            fresh.write(text)
    except FileExistsError:
        raise UserError(f"{path} exists; orch init does not overwrite it, give another name") from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def _grid_name(path: Path) -> str:
    """A sweep name as near to the file's as the rules for names allow."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-")[:100]
    return plain or "my-sweep"
