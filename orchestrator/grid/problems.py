"""All that is wrong in one grid file, collected, and pydantic's errors in a user's words."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import GridError, Problem
from orchestrator.grid import yaml_file
from orchestrator.grid.yaml_file import At, Node
from orchestrator.text import counted
from trainables.errors import alike, meant

_MAX: Final = 100
"""Problems that are told; looking for more could take minutes."""


class Problems:
    """What is wrong in a file, told at once when reading is over, or when a hundred problems have been found."""

    def __init__(self, path: Path) -> None:
        self.file = str(path)
        self._found: dict[tuple[At, str], None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, at: At, message: str) -> None:
        """Note a problem; the same one twice is noted once."""
        self._found[at, message] = None
        if len(self._found) >= _MAX:
            self.raise_if_any()

    def take(self, others: "Problems") -> None:
        """Note what others hold."""
        self._found.update(others._found)

    def raise_if_any(self) -> None:
        """Raise GridError with everything found, in the order of the file."""
        if self._found:
            located = sorted(self._found)
            raise GridError([Problem(self.file, at.line, at.column, message) for at, message in located])

    def unknown_keys(self, node: yaml_file.Mapping, known: Iterable[str], what: str) -> None:
        """Note every key that is not known, with near names."""
        names = list(known)
        for key, entry in node:
            if key not in names:
                self.add(entry.at, f"unknown {what} {key!r}; {near(key, names)}")

    def of_validation(self, errors: Sequence[ErrorDetails], node: Node, name: str) -> None:
        """Note pydantic's errors where their values stand in `node`.

        name: what the user calls the value of `node` (`protocol`, or the name of a parameter).
        """
        for at, message in _told(errors, node, name):
            self.add(at, message)


def _told(errors: Sequence[ErrorDetails], node: Node, name: str) -> list[tuple[At, str]]:
    """Each error's place and sentence. What the branches of a union ask for is joined by `or`."""
    grouped: dict[tuple[At, int, str], list[ErrorDetails]] = {}
    for details in errors:
        at, depth, subject = _place(details, node, name)
        grouped.setdefault((at, depth, subject), []).append(details)
    deepest = max(depth for _, depth, _ in grouped)
    return [
        (at, _sentence(subject, group))
        for (at, depth, subject), group in grouped.items()
        if depth == deepest or not _is_a_branch_of_a_union(group)
    ]


def near(name: str, known: Sequence[str]) -> str:
    """A hint at the names that the user may have meant."""
    return meant(alike(name, known), f"known: {', '.join(known)}")


def shown(value: Any) -> str:
    """A value as the user may have written it, cut where it is long."""
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def flattened(error: ValidationError) -> list[ErrorDetails]:
    """The errors, with those of a component inside a component in place of the one that wraps them."""
    flat: list[ErrorDetails] = []
    for details in error.errors(include_url=False):
        inner = details.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):
            flat += [{**part, "loc": details["loc"] + part["loc"]} for part in flattened(inner)]
        else:
            flat.append(details)
    return flat


def _place(details: ErrorDetails, node: Node, name: str) -> tuple[At, int, str]:
    """Where an error's value stands, how deep below `node`, and what the value is called."""
    at, depth, keys = node.at, 0, [name]
    for step in details["loc"]:
        match node, step:
            case yaml_file.Mapping(), str() if step in node:
                entry = node.entries[step]
                at, node = (entry.at if details["type"] == "extra_forbidden" else entry.value.at), entry.value
                keys.append(f".{step}")
            case yaml_file.Sequence(), int() if step < len(node.items):
                node = node.items[step]
                at = node.at
                keys.append(f"[{step}]")
            case _:
                continue  # the name of a union's branch, or a key that is missing
        depth += 1
    return at, depth, "".join(keys).removeprefix(".")


def _is_a_branch_of_a_union(group: list[ErrorDetails]) -> bool:
    return any(isinstance(step, str) and ("[" in step or step in _TYPES) for step in group[0]["loc"])


_TYPES: Final = frozenset({"int", "float", "bool", "str", "none"})
_DEMANDS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "greater_than": lambda ctx: f"greater than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"at least {ctx['ge']:g}",
    "less_than": lambda ctx: f"less than {ctx['lt']:g}",
    "less_than_equal": lambda ctx: f"at most {ctx['le']:g}",
    "finite_number": lambda _: "a finite number",
    "float_type": lambda _: "a number",
    "float_parsing": lambda _: "a number",
    "int_type": lambda _: "a whole number",
    "int_parsing": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "int_parsing_size": lambda _: "a smaller number",
    "bool_type": lambda _: "true or false",
    "bool_parsing": lambda _: "true or false",
    "string_type": lambda _: "text",
    "tuple_type": lambda _: "a list",
    "list_type": lambda _: "a list",
    "dict_type": lambda _: "a mapping",
    "model_type": lambda _: "a mapping",
    "model_attributes_type": lambda _: "a mapping",
    "none_required": lambda _: "null",
    "literal_error": lambda ctx: f"one of {ctx['expected'].replace(chr(39), '').replace(' or ', ', ')}",
    "too_short": lambda ctx: f"a list of at least {ctx['min_length']}",
    "too_long": lambda ctx: f"a list of at most {ctx['max_length']}",
    "string_too_short": lambda ctx: f"text of at least {counted(ctx['min_length'], 'character')}",
    "string_too_long": lambda ctx: f"text of at most {counted(ctx['max_length'], 'character')}",
}


def _sentence(subject: str, group: list[ErrorDetails]) -> str:
    details = group[0]
    kind, loc = details["type"], details["loc"]
    if kind == "missing":
        return (
            f"{subject} needs {loc[-1]}"
            if isinstance(loc[-1], str)
            else f"{subject} needs {counted(loc[-1] + 1, 'entry')}"
        )
    if kind == "extra_forbidden":
        return f"unknown key {str(loc[-1])!r} of {subject.rpartition('.')[0]}"
    demands = [_DEMANDS[part["type"]](part.get("ctx", {})) for part in group if part["type"] in _DEMANDS]
    if demands:
        return f"{subject} has to be {' or '.join(dict.fromkeys(demands))}, not {shown(details['input'])}"
    if kind == "value_error":
        reason = str(details["ctx"]["error"])
        return reason if reason.startswith(subject) else f"{subject}: {reason}"
    return f"{subject}: {details['msg'][:1].lower()}{details['msg'][1:]}, not {shown(details['input'])}"
