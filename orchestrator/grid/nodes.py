"""The tree of a grid file: values with the place where the user wrote them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


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
