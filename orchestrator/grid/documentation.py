"""What the components' own source says of them, for `orch list` and for an editor's completion."""

import ast
import inspect
import json
import textwrap
from dataclasses import dataclass, replace
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trainables.component import Component
from trainables.registry import registry


@dataclass(frozen=True, slots=True)
class ParameterDoc:
    """One parameter of a component."""

    name: str
    type: str
    """In a user's words, such as `number` or `list of whole numbers`."""
    default: str | None
    """As YAML would hold it; None where the parameter has to be given."""
    about: str
    """May be empty."""


@dataclass(frozen=True, slots=True)
class ComponentDoc:
    """One component."""

    kind: str
    name: str
    about: str
    """The first line of its docstring."""
    parameters: tuple[ParameterDoc, ...]


def documented(kind: str) -> list[ComponentDoc]:
    """All components of a kind, by name. Raises BrokenComponent."""
    single = [document(registry.get(kind, name)) for name in registry.names(kind)]
    families = [replace(document(family.base), name=f"{family.prefix}:NAME") for family in registry.families(kind)]
    alone = [document(member) for family in registry.families(kind) for member in family.alone().values()]
    return [*single, *families, *alone]


def document(component: type[Component]) -> ComponentDoc:
    """A component with its own parameters in the order of its source, then those that all of its kind have."""
    shared = shared_parameters(component)
    own = [parameter for parameter in _parameters(component) if parameter not in shared]
    return ComponentDoc(component.kind, component.name, first_line(component), (*own, *shared))


def shared_parameters(component: type[Component]) -> tuple[ParameterDoc, ...]:
    """Those of a component's parameters that all of its kind have, whoever wrote them."""
    root = next(parent for parent in component.__mro__ if issubclass(parent, Component) and "kind" in vars(parent))
    return tuple(parameter for parameter in _parameters(component) if parameter.name in root.model_fields)


def _parameters(component: type[Component]) -> tuple[ParameterDoc, ...]:
    about = field_docs(component)
    return tuple(
        ParameterDoc(name, _type(field.annotation), _default(component, name, field), about.get(name, ""))
        for name, field in component.model_fields.items()
    )


def first_line(component: type) -> str:
    """The first line of a class's own docstring; empty where it has none."""
    lines = inspect.cleandoc(component.__dict__.get("__doc__") or "").splitlines()
    return lines[0] if lines else ""


@cache
def field_docs(component: type) -> dict[str, str]:
    """Field to the text below it in the source, on one line; empty where the source cannot be read."""
    found: dict[str, str] = {}
    for parent in reversed(component.__mro__):
        if issubclass(parent, BaseModel) and parent not in (BaseModel, Component):
            found |= _own_docs(parent)
    return found


def _own_docs(component: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(component))).body[0]
    except (OSError, TypeError, SyntaxError):  # a class that was not written in a file
        return {}
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: " ".join(inspect.cleandoc(text.value.value).split())
        for field, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _default(component: type[Component], name: str, field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True, validated_data={})
    return json.dumps(component.model_construct(**{name: value}).model_dump(mode="json", include={name})[name])


_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    type(None): "null",
}


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(str(argument) for argument in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments))
    if origin in (tuple, list):
        members = " or ".join(dict.fromkeys(_type(argument) for argument in arguments if argument is not Ellipsis))
        return f"list of {members}s"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())
