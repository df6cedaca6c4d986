"""A YAML 1.2 file as a tree of nodes, each with the line and column where it was written.

Read from the parser's events and not from loaded objects: every key keeps its position, and nothing that a tag or an
alias could make of a file is ever built.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from orchestrator.errors import GridError, Problem, UserError
from orchestrator.text import one_line, secret_in
from trainables.data.files import read_regular
from trainables.errors import said_by

# The tree of a grid file: values with the place where the user wrote them.


@dataclass(frozen=True, slots=True, order=True)
class At:
    """A place in a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value of YAML 1.2's core schema."""

    value: str | int | float | bool | None
    at: At
    size: int = 1


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    at: At
    size: int
    """Scalars, lists and mappings in it, itself included, with every alias counted as if it were written out."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value."""

    at: At
    """Of the key."""
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys, all different, in the order of the file."""

    entries: dict[str, Entry]
    at: At
    size: int

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        return iter(self.entries.items())

    def get(self, key: str) -> "Node | None":
        """The value of a key, or None where the key is not given."""
        return self.entries[key].value if key in self.entries else None

    def without(self, *keys: str) -> "Mapping":
        """The same mapping with some keys left out."""
        kept = {key: entry for key, entry in self.entries.items() if key not in keys}
        return Mapping(kept, self.at, self.size)


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The node as JSON would hold it."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(entry.value) for key, entry in node}


def items(node: Node) -> tuple[Node, ...]:
    """The entries of a list; anything else is a list of one."""
    return node.items if isinstance(node, Sequence) else (node,)


_MAX_BYTES: Final = 300_000
"""A grid is written by hand; the reader takes three seconds for this much."""
_MAX_NODES: Final = 200_000
"""With every alias counted as often as it stands, so that a few lines cannot unfold into gigabytes."""
_DEEPEST: Final = 40


def read_source(path: Path) -> Mapping:
    """The root mapping of a grid file. Raises UserError (no such file) and GridError (one problem: the first)."""
    return parse(_text(path), str(path))


def parse(text: str, file: str) -> Mapping:
    """The root mapping of a grid's text. Raises GridError (one problem: the first)."""
    builder = _Builder(file)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = str(error.problem or error.context)
        raise _at(file, _mark(mark), "a tab; write spaces" if "'\\t'" in what else f"not valid YAML: {what}") from None
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: a %YAML directive with a malformed version
        raise _at(file, At(1, 1), f"not valid YAML: {said_by(error)}") from None
    return builder.root()


def _text(path: Path) -> str:
    try:
        content = read_regular(path, _MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", None) or error
        raise UserError(one_line(f"cannot read the grid {path}: {why}")) from None
    if len(content) > _MAX_BYTES:
        raise _at(str(path), At(1, 1), f"the file is larger than {_MAX_BYTES // 1000} kB, which no grid is")
    if content.startswith(_UTF_16):
        raise _at(str(path), At(1, 1), "not a text file in UTF-8, but in UTF-16; save it as UTF-8")
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        where = _position(content[: error.start].decode().removeprefix("\ufeff"))
        raise _at(str(path), where, "not a text file in UTF-8") from None
    if found := _TURNS.search(text):
        position = _position(text[: found.start()])
        raise _at(
            str(path), position, f"it holds {found[0]!r}, which shows what follows in another order than it stands"
        )
    if found := re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text):
        position = _position(text[: found.start()])
        raise _at(str(path), position, f"not a text file: it holds the control character {found[0]!r}")
    if secret := secret_in(text):
        where = _position(text[: secret[1]])
        raise _at(
            str(path), where, f"it holds the value of {secret[0]}; keys are read from the environment, never a grid"
        )
    return text


def _position(before: str) -> At:
    lines = re.split(r"\r\n|\r|\n", before)
    return At(len(lines), len(lines[-1]) + 1)


def _at(file: str, mark: At, message: str) -> GridError:
    return GridError([Problem(file, mark.line, mark.column, message)])


def _mark(mark: Any) -> At:
    return At(1, 1) if mark is None else At(mark.line + 1, mark.column + 1)


class _Open:
    """A list or mapping that has not ended."""

    def __init__(self, mark: At, mapping: bool, anchor: str | None) -> None:
        self.mark, self.mapping, self.anchor = mark, mapping, anchor
        self.items: list[Node] = []
        self.entries: dict[str, Entry] = {}
        self.key: tuple[str, At] | None = None
        self.size = 1

    def node(self) -> Node:
        if self.mapping:
            return Mapping(self.entries, self.mark, self.size)
        return Sequence(tuple(self.items), self.mark, self.size)


class _Builder:
    """Builds the tree from events with a stack of its own: no depth of nesting ends in Python's."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None
        self._documents = 0

    def take(self, event: Any) -> None:
        mark = _mark(event.start_mark)
        match event:
            case events.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _at(self._file, mark, "a second document; a grid is one")
            case events.ScalarEvent():
                self._refuse_tag(event, mark)
                text = event.value
                if found := _NOT_TEXT.search(text):
                    raise _at(self._file, mark, f"a value that holds {found[0]!r}, which is no character of a name")
                as_key = self._wants_key()
                value = text if as_key or event.style is not None else core_scalar(text)
                self._put(Scalar(value, mark), event.anchor)
            case events.SequenceStartEvent() | events.MappingStartEvent():
                self._refuse_tag(event, mark)
                self._begin(event, mark)
            case events.SequenceEndEvent() | events.MappingEndEvent():
                ended = self._open.pop()
                self._put(ended.node(), ended.anchor)
            case events.AliasEvent():
                if event.anchor not in self._anchors:
                    raise _at(self._file, mark, f"the alias *{event.anchor} stands for nothing that ended before it")
                self._put(self._anchors[event.anchor], None)

    def root(self) -> Mapping:
        if self._root is None or (isinstance(self._root, Scalar) and self._root.value is None):
            raise _at(self._file, At(1, 1), "the file is empty; `orch init` writes a grid to start from")
        if not isinstance(self._root, Mapping):
            kind = "list" if isinstance(self._root, Sequence) else "single value"
            raise _at(self._file, self._root.at, f"a grid is a mapping of keys, not a {kind}")
        return self._root

    def _begin(self, event: Any, mark: At) -> None:
        if len(self._open) >= _DEEPEST:
            raise _at(self._file, mark, f"nested more than {_DEEPEST} deep")
        if self._wants_key():
            raise _at(self._file, mark, "a key has to be a word, not a list or mapping")
        self._open.append(_Open(mark, isinstance(event, events.MappingStartEvent), event.anchor))

    def _put(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if self._wants_key():
            parent.key = self._checked_key(node, parent)
            return
        if parent.key is not None:
            key, mark = parent.key
            parent.entries[key], parent.key = Entry(mark, node), None
        else:
            parent.items.append(node)
        parent.size += node.size
        if parent.size > _MAX_NODES:
            raise _at(self._file, parent.mark, f"unfolds into more than {_MAX_NODES:,} values")

    def _checked_key(self, node: Node, parent: _Open) -> tuple[str, At]:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            raise _at(self._file, node.at, "a key has to be a word, not a list or mapping")
        if node.value == "<<":
            raise _at(self._file, node.at, "merge keys (<<) are not part of YAML 1.2; write the keys out")
        if node.value in parent.entries:
            first = parent.entries[node.value].at
            raise _at(self._file, node.at, f"duplicate key {node.value!r}; it stands in line {first.line} already")
        return node.value, node.at

    def _wants_key(self) -> bool:
        return bool(self._open) and self._open[-1].mapping and self._open[-1].key is None

    def _refuse_tag(self, event: Any, mark: At) -> None:
        if event.tag is not None:
            raise _at(self._file, mark, f"the tag {event.tag} is not allowed; a grid holds plain values only")


_TURNS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of a text (Unicode Annex 9, sec. 2): what is read is not what stands there."""
_NOT_TEXT: Final = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What quotes let through: control characters, breaks of a line, marks of direction, halves of characters."""
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
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
