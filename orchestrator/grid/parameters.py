"""The values that a grid gives to a component's parameters: which are lists, and each one validated where it stands."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Final, Union, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.grid import nodes
from orchestrator.grid.nodes import Node, plain
from orchestrator.grid.problems import Problems, flattened
from trainables.component import Component

_LISTS: Final = (tuple, list, set, frozenset, Sequence)


@dataclass(frozen=True, slots=True)
class Value:
    """One validated value of one parameter."""

    python: Any
    """As the component's field holds it."""
    identity: str
    """`"key":value` as it stands in the component's canonical form; empty where it is left out of it."""
    text: str
    """JSON of the value: equal for equal values."""


def value_of(component: Component, key: str) -> Value:
    """The value that a component has for a parameter."""
    text = _json(component.parameters()[key])
    identity = json.loads(component.canonical()).get("parameters", {})
    return Value(getattr(component, key), f'"{key}":{_json(identity[key])}' if key in identity else "", text)


def split(component: type[Component], key: str, node: Node) -> tuple[Node, ...]:
    """What the user wrote for a parameter, as one node for each level that it stands for.

    A list given to a parameter of one value is a level for each entry; where the parameter is itself a list, only a
    list of lists is. An empty list, which would be no level at all, is left for validation to refuse.
    """
    annotation = component.model_fields[key].annotation
    if isinstance(node, nodes.Sequence) and node.items and _depth(node) > list_depth(annotation):
        return node.items
    return (node,)


def list_depth(annotation: Any) -> int:
    """How deep lists are nested in values of this type: 0 for `float`, 1 for `tuple[int, ...]` and for `int | list`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return list_depth(arguments[0])
    if origin in (Union, UnionType):
        return max(list_depth(argument) for argument in arguments)
    if annotation in _LISTS:
        return 1
    if origin in _LISTS:
        return 1 + max((list_depth(argument) for argument in arguments if argument is not Ellipsis), default=0)
    return 0


def _depth(node: Node) -> int:
    if not isinstance(node, nodes.Sequence):
        return 0
    return 1 + max((_depth(item) for item in node.items), default=0)


def validated(
    component: type[Component], key: str, node: Node, others: dict[str, Any], problems: Problems, level: Node
) -> Component | None:
    """The component with this value and the other parameters, or None where it is not valid.

    Noted is what is wrong with this value, or, where `level` stands, with valid values together; what is wrong with
    another is noted there.
    """
    try:
        return component.from_parameters({**others, key: plain(node)})
    except ValidationError as error:
        errors = flattened(error)
        own = [{**details, "loc": details["loc"][1:]} for details in errors if details["loc"][:1] == (key,)]
        together = [details for details in errors if not details["loc"]]
        if own:
            problems.of_validation(cast(list[ErrorDetails], own), node, key)
        elif together:
            problems.of_validation(together, level, component.name)
        return None


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
