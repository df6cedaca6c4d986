"""A grid file to a GridSpec: every section read, every problem told at once."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import Problem
from orchestrator.grid import nodes
from orchestrator.grid.axes_reader import expanded, families_of, labels_of, read_axes, read_included, read_zips
from orchestrator.grid.claims_reader import read_claims
from orchestrator.grid.levels import Family
from orchestrator.grid.nodes import At, Node, Scalar, plain
from orchestrator.grid.problems import Problems, near, shown
from orchestrator.grid.rule_reader import read_excludes, read_overrides
from orchestrator.grid.rules import Exclude, Override
from orchestrator.grid.settings import Resources, Wandb, read_checkpoints, read_settings
from orchestrator.grid.source import parse, read_source
from orchestrator.grid.spec import MAX_SEED, Axes, GridSpec, Written
from orchestrator.grid.tuning_reader import read_tuning
from orchestrator.grid.wandb_warnings import idle_keys
from trainables.protocol import Protocol
from trainables.registry import registry
from trainables.selection import LAST
from trainables.task import Task

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


def _read(written_root: nodes.Mapping, path: Path) -> GridSpec:
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


def _without_empty_sections(root: nodes.Mapping) -> nodes.Mapping:
    """A section of which everything is commented out is not given."""
    empty = [key for key, entry in root if key in _MAY_BE_EMPTY and _is_null(entry.value)]
    return root.without(*empty)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _mapping(node: Node | None) -> nodes.Mapping | None:
    return node if isinstance(node, nodes.Mapping) else None


def _name(root: nodes.Mapping, problems: Problems) -> str | None:
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
    if isinstance(node, nodes.Sequence):
        return _listed_seeds(node, problems)
    count = plain(node)
    if _is_whole(count) and 1 <= count <= MAX_SEED:
        return range(count)
    problems.add(node.at, f"seeds has to be a whole number of at least 1, or a list of seeds, not {_seed(count)}")
    return ()


def _listed_seeds(node: nodes.Sequence, problems: Problems) -> Sequence[int]:
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
    if protocol is None or protocol.select is None or not isinstance(node, nodes.Mapping):
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
