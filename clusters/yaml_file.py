"""A YAML 1.2 file as plain values that know where they were written. Cluster files are read with it, and grids.

Read from the parser's events and not from loaded objects: every key keeps its position, and nothing that a tag or an
alias could make of a file is ever built. At the end: where in it the errors of pydantic stand.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self, get_args

from pydantic import BaseModel
from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from clusters.errors import first_line

_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True, order=True)
class At:
    """A place in a file, both counted from 1."""

    line: int
    column: int


class YamlText(str):
    """A text with its place."""

    __slots__ = ("at",)
    at: At

    def __new__(cls, text: str, at: At) -> Self:
        made = super().__new__(cls, text)
        made.at = at
        return made


class YamlList(list[Any]):
    """A list with its place, and those of its entries."""

    def __init__(self, at: At) -> None:
        super().__init__()
        self.at = at
        self.places: list[At] = []


class YamlMapping(dict[str, Any]):
    """Keys, all different, in the order of the file, with the places of the mapping, its keys and its values."""

    def __init__(self, at: At) -> None:
        super().__init__()
        self.at = at
        self.keys_at: dict[str, At] = {}
        self.places: dict[str, At] = {}

    def put(self, key: str, key_at: At, value: Any, at: At) -> None:
        """Set a key's value, with the places of both."""
        self[key], self.keys_at[key], self.places[key] = value, key_at, at

    def without(self, *keys: str) -> "YamlMapping":
        """Return the same with some keys left out."""
        made = YamlMapping(self.at)
        for key, value in self.items():
            if key not in keys:
                made.put(key, self.keys_at[key], value, self.places[key])
        return made


class NotYaml(ValueError):
    """A text is not what a file here may hold; the first such place in it."""

    def __init__(self, at: At, message: str) -> None:
        super().__init__(at, message)
        self.at, self.message = at, message


def parse(text: str, *, max_values: int, max_length: int | None = None) -> Any:
    """Return the value of a text's root; None where there is none. Raises NotYaml.

    max_values: how many may be in it, with every alias counted as often as it stands, so that a few lines cannot unfold into
    gigabytes. max_length: characters of one value.
    """
    builder = _Builder(max_values, max_length)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = str(error.problem or error.context)
        raise NotYaml(_at(mark), "a tab; write spaces" if "'\\t'" in what else f"not valid YAML: {what}") from None
    except NotYaml:
        raise
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: a %YAML directive with a malformed version
        raise NotYaml(At(1, 1), f"not valid YAML: {first_line(error)}") from None
    return builder.root


def _at(mark: Any) -> At:
    return At(1, 1) if mark is None else At(mark.line + 1, mark.column + 1)


@dataclass(frozen=True, slots=True)
class _Node:
    value: Any
    at: At
    size: int = 1
    """Values in it, itself included."""


class _Open:
    """A list or mapping that has not ended."""

    def __init__(self, value: YamlList | YamlMapping, anchor: str | None) -> None:
        self.value, self.anchor = value, anchor
        self.key: YamlText | None = None
        self.size = 1

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, YamlMapping) and self.key is None

    def put(self, node: _Node) -> None:
        if isinstance(self.value, YamlList):
            self.value.append(node.value)
            self.value.places.append(node.at)
        elif self.key is None:
            self.key = self._checked_key(node)
            return
        else:
            self.value.put(str(self.key), self.key.at, node.value, node.at)
            self.key = None
        self.size += node.size

    def _checked_key(self, node: _Node) -> YamlText:
        key = node.value
        if not isinstance(key, YamlText):
            raise NotYaml(node.at, "a key has to be a word, not a list or mapping")
        if key == "<<":
            raise NotYaml(node.at, "merge keys (<<) are not part of YAML 1.2; write the keys out")
        if isinstance(self.value, YamlMapping) and key in self.value:
            line = self.value.keys_at[key].line
            raise NotYaml(node.at, f"duplicate key {str(key)!r}; it is already in line {line}")
        return key


class _Builder:
    """Builds the values from events with a stack of its own: no depth of nesting ends in Python's."""

    def __init__(self, max_values: int, max_length: int | None) -> None:
        self._max_values, self._max_length = max_values, max_length
        self._open: list[_Open] = []
        self._anchors: dict[str, _Node] = {}
        self._documents = 0
        self.root: Any = None

    def take(self, event: Any) -> None:
        at = _at(event.start_mark)
        match event:
            case events.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise NotYaml(at, "a second document; such a file has only one")
            case events.ScalarEvent():
                self._refuse_tag(event, at)
                self._put(_Node(self._scalar(event, at), at), event.anchor)
            case events.SequenceStartEvent() | events.MappingStartEvent():
                self._refuse_tag(event, at)
                if len(self._open) >= _DEEPEST:
                    raise NotYaml(at, f"nested more than {_DEEPEST} deep")
                if self._wants_key():
                    raise NotYaml(at, "a key has to be a word, not a list or mapping")
                kind = YamlMapping if isinstance(event, events.MappingStartEvent) else YamlList
                self._open.append(_Open(kind(at), event.anchor))
            case events.SequenceEndEvent() | events.MappingEndEvent():
                ended = self._open.pop()
                self._put(_Node(ended.value, ended.value.at, ended.size), ended.anchor)
            case events.AliasEvent():
                if event.anchor not in self._anchors:
                    raise NotYaml(at, f"the alias *{event.anchor} refers to nothing before it")
                self._put(self._anchors[event.anchor], None)

    def _scalar(self, event: Any, at: At) -> Any:
        text = event.value
        if self._max_length is not None and len(text) > self._max_length:
            raise NotYaml(at, f"a value of {len(text):,} characters is too long")
        if found := _NOT_TEXT.search(text):
            raise NotYaml(at, f"a value that contains {found[0]!r}, which no name may contain")
        value = text if self._wants_key() or event.style is not None else core_scalar(text)
        return YamlText(value, at) if isinstance(value, str) else value

    def _put(self, node: _Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node.value
            return
        parent = self._open[-1]
        parent.put(node)
        if parent.size > self._max_values:
            raise NotYaml(parent.value.at, f"unfolds into more than {self._max_values:,} values")

    def _wants_key(self) -> bool:
        return bool(self._open) and self._open[-1].wants_key

    def _refuse_tag(self, event: Any, at: At) -> None:
        if event.tag is not None:
            raise NotYaml(at, f"the tag {event.tag} is not allowed; only plain values are")


_NOT_TEXT: Final = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What quotes let through: control characters, breaks of a line, marks of direction, halves of characters."""
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH: Final = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,300}")
_OTHER_BASE: Final = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NAN: Final = frozenset({".nan", ".NaN", ".NAN"})


def core_scalar(text: str) -> bool | int | float | str | None:
    """A plain scalar by the core schema (YAML 1.2.2, sec. 10.3.2): `no` and dates stay text, `1e-3` is a number."""
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if infinite := _INFINITE.fullmatch(text):
        return math.copysign(math.inf, -1 if infinite[1] == "-" else 1)
    return math.nan if text in _NAN else text


Keys = tuple[int | str, ...]
"""Where in a file, or in a part of it: keys and numbers of entries from the top down."""


class Found(NamedTuple):
    """What an error is about."""

    keys: Keys
    """Those of its location that stand in the file."""
    key_at: At
    """The place of the last of them."""
    at: At
    """The place of its value."""


def find(value: Any, at: At, location: Keys) -> Found:
    """Return where a location leads, from a value and its place on.

    pydantic adds to a location which alternative of a type it tried, and names what is missing.
    """
    keys: Keys = ()
    key_at = at
    for step in location:
        match value, step:
            case YamlMapping(), str() if step in value:
                key_at, at, value = value.keys_at[step], value.places[step], value[step]
            case YamlList(), int() if step < len(value):
                key_at, at, value = value.places[step], value.places[step], value[step]
            case _:
                continue
        keys = (*keys, step)
    return Found(keys, key_at, at)


def model_at(model: type[BaseModel], keys: Keys) -> type[BaseModel] | None:
    """Return the model of what stands there in a file of the given one; None where that is no mapping of known keys."""
    models = [model]
    for key in keys:
        if isinstance(key, str):  # the entries of a list have no field of their own
            fields = [part.model_fields[key] for part in models if key in part.model_fields]
            models = [inner for field in fields for inner in _models_in((field.annotation, *field.metadata))]
    return models[0] if models else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield those that a type is made of; of what a validator makes, those that it reads."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in annotation if isinstance(annotation, tuple) else get_args(annotation):
        yield from _models_in(getattr(part, "json_schema_input_type", part))
