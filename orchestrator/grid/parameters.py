"""The values that a grid gives to a component's parameters: which are lists, and each one validated where it stands."""

import json
from collections.abc import Mapping, Sequence
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
    text = json_of(component.parameters()[key])
    identity = json.loads(component.canonical()).get("parameters", {})
    return Value(getattr(component, key), f'"{key}":{json_of(identity[key])}' if key in identity else "", text)


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


def others_of(values: Mapping[str, Sequence[Value]], key: str) -> dict[str, Any]:
    """The first value of every parameter but one, as JSON: what that one is validated beside."""
    return {name: json.loads(given[0].text) for name, given in values.items() if name != key}


def holds_whole_numbers(component: type[Component], key: str) -> bool:
    """Whether a parameter takes whole numbers and no fractions."""
    kinds = _kinds(component.model_fields[key].annotation)
    return int in kinds and float not in kinds


def _kinds(annotation: Any) -> set[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(arguments[0])
    if origin in (Union, UnionType):
        return {kind for argument in arguments for kind in _kinds(argument)}
    return {annotation}


def _depth(node: Node) -> int:
    if not isinstance(node, nodes.Sequence):
        return 0
    return 1 + max((_depth(item) for item in node.items), default=0)


def validated(
    component: type[Component], key: str, node: Node, others: dict[str, Any], problems: Problems, level: Node | None
) -> Component | None:
    """The component with this value and the other parameters, or None where it is not valid.

    Noted is what is wrong with this value, or, where `level` stands, with valid values together (not where there is no
    `level`); what is wrong with another is noted there.
    """
    try:
        return component.from_parameters({**others, key: plain(node)})
    except ValidationError as error:
        errors = flattened(error)
        own = [{**details, "loc": details["loc"][1:]} for details in errors if details["loc"][:1] == (key,)]
        together = [details for details in errors if not details["loc"]]
        if own:
            problems.of_validation(cast(list[ErrorDetails], own), node, key)
        elif together and level is not None:
            problems.of_validation(together, level, component.name)
        return None


def json_of(value: Any) -> str:
    """JSON of a parameter's value: equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
