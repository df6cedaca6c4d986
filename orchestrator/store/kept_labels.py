"""Labels that hold in a results directory, whatever grids it has seen: there a label means one configuration.

A grid's own labels show what differs among its levels. Where the directory also keeps levels that the latest grid does
not have, those labels may mean either, so that what differs among all of them is shown. What a user has called a level
(`display`) it stays, while no level of the latest grid is called so.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Final

from orchestrator.grid.levels import short_texts
from orchestrator.grid.values import json_of
from trainables.errors import BrokenComponent, UnknownComponent
from trainables.registry import registry

_TUNED: Final = "tuned"
"""In place of the value of a parameter that tuning finds."""
_CONTENT: Final = "content"
_DIGITS: Final = 8
"""Of a fingerprint: as many as tell two apart."""

_Values = tuple[tuple[str, str], ...]
"""A component's parameters and the JSON of their values, in order."""


@dataclass(frozen=True, slots=True)
class KeptLevel:
    """A level of one axis as the journal has it."""

    label: str
    """As the grid called it that named it last."""
    config: str
    """JSON."""
    opened: frozenset[str] = frozenset()
    """Parameters that tuning finds values for."""
    content: str = ""
    """Of a data set: the fingerprint."""
    planned: bool = True
    """Whether the latest grid has it."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One component of a level."""

    name: str
    values: _Values
    content: str
    planned: bool
    label: str | None
    """As the grid called it; None where that cannot be told apart from the label of the whole level."""
    named: bool = False
    """Whether that is a name of the user's."""

    @property
    def meaning(self) -> tuple[_Values, str]:
        """Equal for equal parts of one component."""
        return self.values, self.content


def labels_in_directory(
    axis: str, levels: Collection[KeptLevel], displays: Collection[str] = ()
) -> dict[KeptLevel, str]:
    """The label of each level. levels: all of one axis that the directory has. displays: the names of the latest grid."""
    parts = {level: tuple(_parts(level, displays)) for level in levels}
    by_name: dict[str, list[_Part]] = {}
    for part in (part for of_level in parts.values() for part in of_level):
        by_name.setdefault(part.name, []).append(part)
    whole = {name: _with_defaults(axis, found) for name, found in by_name.items()}
    naming = {name: _Naming(set(found.values())) for name, found in whole.items()}

    taken = {level.label for level in levels if level.planned}

    def label(level: KeptLevel) -> str:
        if any(part.named for part in parts[level]) and (level.planned or level.label not in taken):
            return level.label
        if level.planned and all(naming[part.name].is_clear for part in parts[level]):
            return level.label
        return "+".join(naming[part.name].of(whole[part.name][part]) for part in parts[level])

    return {level: label(level) for level in levels}


class _Naming:
    """How the levels of one component are called."""

    def __init__(self, parts: Collection[_Part]) -> None:
        values = {part.values: dict(part.values) for part in parts}
        keys = sorted({key for given in values.values() for key in given})
        texts = {key: {given.get(key) for given in values.values()} for key in keys}
        self._shown = {key: _short(filter(None, found)) for key, found in texts.items() if len(found) > 1}
        contents = Counter(given for given, _ in {part.meaning for part in parts})
        self._changed = {given for given, count in contents.items() if count > 1}
        plain = [part.label for part in parts if part.label and not part.named]
        self._given = "" if len(values) > 1 else min(map(_inner, plain), default="")
        self._latest = {part.meaning: part.label for part in parts if part.planned}
        self.is_clear = all(self._latest.get(part.meaning) for part in parts)
        """Whether the latest grid has all that the directory has of the component, so that its labels tell all apart."""

    def of(self, part: _Part) -> str:
        if self.is_clear:
            return str(self._latest[part.meaning])
        values = dict(part.values)
        shown = [self._given] if self._given else []  # where nothing differs, what the grid gives
        shown += [f"{key}={texts[values[key]]}" for key, texts in self._shown.items() if key in values]
        if part.values in self._changed:
            shown.append(f"{_CONTENT}={part.content[:_DIGITS]}")
        return f"{part.name}({','.join(shown)})" if shown else part.name


def _inner(label: str) -> str:
    """Of `sgd(lr=0.1)` what stands in the brackets."""
    return label.partition("(")[2].removesuffix(")")


def _is_named(label: str, component: str, displays: Collection[str]) -> bool:
    """Whether a label is a name that a user gave: of the latest grid, or of an earlier one, which begins as no other."""
    base = label.partition("(")[0]
    return base in displays or base != component or label in displays


def _parts(level: KeptLevel, displays: Collection[str]) -> Iterator[_Part]:
    """Those that act: `none` beside others is nothing."""
    config = json.loads(level.config)
    every = config if isinstance(config, list) else [config]
    acting = [part for part in every if part["name"] != "none"] or every[:1]
    split = [level.label] if len(acting) == 1 else level.label.split("+")
    labels = split if len(split) == len(acting) else [None] * len(acting)
    for part, label in zip(acting, labels, strict=True):
        values = {
            key: _TUNED if key in level.opened else json_of(value) for key, value in part.items() if key != "name"
        }
        named = label is not None and _is_named(label, part["name"], displays if level.planned else ())
        yield _Part(part["name"], tuple(sorted(values.items())), level.content, level.planned, label, named)


def _with_defaults(axis: str, parts: Iterable[_Part]) -> dict[_Part, _Part]:
    """Each part with what stands for parameters that joined its component after it was written."""
    found = dict.fromkeys(parts)
    keys = {key for part in found for key, _ in part.values}
    return {part: part if len(part.values) == len(keys) else _with_default(axis, part, keys) for part in found}


def _with_default(axis: str, part: _Part, keys: Collection[str]) -> _Part:
    given = {key: json.loads(text) for key, text in part.values if text != _TUNED}
    try:
        component = registry.get(axis, part.name).from_parameters(given)
    except (UnknownComponent, BrokenComponent, ValueError):  # a plug-in that is gone, or takes these values no more
        return part
    defaults = {key: json_of(value) for key, value in component.parameters().items() if key in keys}
    return replace(part, values=tuple(sorted((defaults | dict(part.values)).items())))


def _short(texts: Iterable[str]) -> dict[str, str]:
    """A short form of each JSON text; of paths as much of the end as tells them apart."""
    known = [text for text in texts if text != _TUNED]
    for count in range(1, max((text.count("/") for text in known), default=0) + 2):
        ends = {text: _end(json.loads(text), count) for text in known}
        if len(set(ends.values())) == len(known):
            short = short_texts(ends.values())
            return {text: short[end] for text, end in ends.items()} | {_TUNED: _TUNED}
    return short_texts(known) | {_TUNED: _TUNED}  # two ways to write one path


def _end(value: Any, count: int) -> str:
    if not isinstance(value, str) or not PurePath(value).is_absolute():
        return json_of(value)
    return json_of(str(PurePath(*PurePath(value).parts[-count:])))
