"""The JSON Schema of a grid file, every component included, so that an editor completes and checks it."""

import ast
import inspect
import json
import textwrap
from dataclasses import dataclass, replace
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import ModelSchema

from orchestrator.grid.axes import WrittenAxes, WrittenCell
from orchestrator.grid.claims import WrittenArm
from orchestrator.grid.display import DISPLAY_SCHEMA, KEY
from orchestrator.grid.grid_file import GridFile
from orchestrator.grid.rules import WrittenSelector
from trainables import AXES
from trainables.component import Component
from trainables.errors import first_line
from trainables.registry import ComponentNamespace, registry

# What the components' own source says of them, for `orch list` and for an editor's completion.


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
    namespaces = [
        replace(document(namespace.base), name=f"{namespace.prefix}:NAME") for namespace in registry.namespaces(kind)
    ]
    alone = [document(member) for namespace in registry.namespaces(kind) for member in namespace.alone().values()]
    return [*single, *namespaces, *alone]


def document(component: type[Component]) -> ComponentDoc:
    """A component with its own parameters in the order of its source, then those that all of its kind have."""
    shared = shared_parameters(component)
    own = [parameter for parameter in _parameters(component) if parameter not in shared]
    return ComponentDoc(component.role, component.name, summary_of(component), (*own, *shared))


def shared_parameters(component: type[Component]) -> tuple[ParameterDoc, ...]:
    """Those of a component's parameters that all of its kind have, whoever wrote them."""
    root = next(parent for parent in component.__mro__ if issubclass(parent, Component) and "role" in vars(parent))
    return tuple(parameter for parameter in _parameters(component) if parameter.name in root.model_fields)


def _parameters(component: type[Component]) -> tuple[ParameterDoc, ...]:
    about = field_docs(component)
    return tuple(
        ParameterDoc(name, type_in_words(field.annotation), _default(component, name, field), about.get(name, ""))
        for name, field in component.model_fields.items()
    )


def summary_of(component: type) -> str:
    """The first line of a class's own docstring; empty where it has none."""
    return first_line(component.__dict__.get("__doc__") or "")


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


def type_in_words(annotation: Any) -> str:
    """Return what a user writes for a field of this type, such as `number` or `list of whole numbers`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_in_words(arguments[0])
    if origin is Literal:
        return ", ".join(str(argument) for argument in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_in_words(argument) for argument in arguments))
    if origin in (tuple, list):
        members = [argument for argument in arguments if argument is not Ellipsis]
        words = " or ".join(dict.fromkeys(map(type_in_words, members)))
        return f"list of {words}" if get_origin(members[0]) is Literal else f"list of {words}s"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


Schema = dict[str, Any]
"""A piece of a JSON Schema: JSON itself."""


class _Generator(GenerateJsonSchema):
    """Describes each key of a model with the text below it in the source, and refuses all others."""

    def model_schema(self, schema: ModelSchema) -> Schema:
        described = super().model_schema(schema)
        about = field_docs(cast(type, schema["cls"]))
        for key, value in described.setdefault("properties", {}).items():
            value.pop("title", None)
            if key in about:
                value["description"] = about[key]
        described.pop("title", None)
        return described | {"additionalProperties": False}


def grid_schema() -> Schema:
    """JSON Schema (draft 2020-12) of a grid file. Raises BrokenComponent where a plug-in cannot be loaded.

    It is that of `GridFile`, with the components, which are known here alone, in the places of levels and schedules.
    """
    schema = GridFile.model_json_schema(schema_generator=_Generator)
    definitions: Schema = schema["$defs"]
    for axis in AXES:
        definitions[axis] = _component(axis, definitions)
        one = {"$ref": f"#/$defs/{axis}"}
        several = [{"type": "array", "items": one, "minItems": 1}] if axis == "regularizer" else []
        definitions[f"{axis}_level"] = {"anyOf": [one, *several]}
        level = {"$ref": f"#/$defs/{axis}_level"}
        # levels stand in a claim as components, or as the tables call them
        called = _one_or_list({"anyOf": [level, {"type": "string"}]})
        several_levels = _one_or_list(level)
        placed = {WrittenAxes: several_levels, WrittenSelector: several_levels, WrittenCell: level, WrittenArm: called}
        for model, takes in placed.items():
            properties: Schema = definitions[model.__name__]["properties"]
            properties[axis] = takes | {"description": properties[axis]["description"]}
    for name in (WrittenSelector.__name__, WrittenArm.__name__):
        definitions[name]["minProperties"] = 1
    schedules = [registry.get("schedule", name) for name in registry.names("schedule")]
    mappings = [_mapping(component, definitions, lists=False) for component in schedules]
    definitions["Protocol"]["properties"]["schedule"] = {
        "description": "How the learning rate changes during training.",
        "anyOf": [*_names(schedules), *mappings],
    }
    found = [registry.get("measurement", name) for name in registry.names("measurement")]
    one_of = {"anyOf": [*_names(found), *(_mapping(component, definitions, lists=False) for component in found)]}
    definitions["measurement"] = one_of
    measure: Schema = schema["properties"]["measure"]
    for key in ("type", "items"):
        measure.pop(key, None)
    measure["anyOf"] = _one_or_list({"$ref": "#/$defs/measurement"})["anyOf"]
    return {"$schema": _Generator.schema_dialect, **schema, "title": "orch grid"}


def _component(axis: str, definitions: Schema) -> Schema:
    """Any component of an axis, by its name or with parameters."""
    components = [registry.get(axis, name) for name in registry.names(axis)]
    namespaces = registry.namespaces(axis)
    alone = [member for namespace in namespaces for member in namespace.alone().values()]
    return {
        "anyOf": [
            *_names(components),
            *(_member_names(namespace) for namespace in namespaces),
            *(_mapping(component, definitions) for component in components),
            *(_mapping(namespace.base, definitions, name=_member_names(namespace)) for namespace in namespaces),
            *_names(alone),
            *(_mapping(component, definitions) for component in alone),
        ]
    }


def _names(components: list[type[Component]]) -> list[Schema]:
    return [{"const": component.name, "description": summary_of(component)} for component in components]


def _member_names(namespace: ComponentNamespace) -> Schema:
    return {"enum": [f"{namespace.prefix}:{name}" for name in namespace.members() if name not in namespace.alone()]}


_NAMES_IT: Final[Schema] = {"description": "Which component it is."}


def _mapping(component: type[Component], definitions: Schema, lists: bool = True, name: Schema | None = None) -> Schema:
    """A component with its parameters; `lists`: each parameter also takes a list of its values."""
    described = component.model_json_schema(schema_generator=_Generator)
    definitions |= described.pop("$defs", {})
    properties = {key: _expandable(schema) if lists else schema for key, schema in described["properties"].items()}
    display = {KEY: DISPLAY_SCHEMA} if lists else {}
    return described | {
        "properties": {"name": (name or {"const": component.name}) | _NAMES_IT, **display, **properties},
        "required": ["name", *described.get("required", [])],
    }


def _expandable(schema: Schema) -> Schema:
    """One value, or a list of them that stands for a level each."""
    about: Schema = {key: part for key, part in schema.items() if key in ("description", "default")}
    return _one_or_list({key: part for key, part in schema.items() if key not in about}) | about


def _one_or_list(value: Schema) -> Schema:
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
