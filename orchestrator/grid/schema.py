"""The JSON Schema of a grid file, every component included, so that an editor completes and checks it."""

import ast
import inspect
import json
import textwrap
from dataclasses import dataclass, replace
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orchestrator.grid.claims_reader import ARMS, WrittenClaim
from orchestrator.grid.settings import CheckpointPolicy, Resources, Wandb
from orchestrator.grid.tuning import Tuning
from trainables import AXES, LEARNING_AXES
from trainables.component import Component
from trainables.errors import first_line
from trainables.protocol import Protocol
from trainables.registry import ComponentFamily, registry

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
    families = [replace(document(family.base), name=f"{family.prefix}:NAME") for family in registry.families(kind)]
    alone = [document(member) for family in registry.families(kind) for member in family.alone().values()]
    return [*single, *families, *alone]


def document(component: type[Component]) -> ComponentDoc:
    """A component with its own parameters in the order of its source, then those that all of its kind have."""
    shared = shared_parameters(component)
    own = [parameter for parameter in _parameters(component) if parameter not in shared]
    return ComponentDoc(component.kind, component.name, summary_of(component), (*own, *shared))


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


Schema = dict[str, Any]
"""A piece of a JSON Schema: JSON itself."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def grid_schema() -> Schema:
    """JSON Schema (draft 2020-12) of a grid file. Raises BrokenComponent where a plug-in cannot be loaded."""
    definitions: Schema = {}
    properties = {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", "description": "Of the sweep."},
        "axes": _axes(definitions),
        "seeds": _seeds(),
        "protocol": _protocol(definitions),
        "resources": _model(Resources, definitions),
        "exclude": _list_of(_some_axes("rule"), "Cells to leave out: each rule names axes, all of which must match."),
        "include": _list_of(_some_axes("cell"), "Whole cells to add, even where they are excluded."),
        "zip": _list_of(
            {"type": "array", "items": {"enum": list(AXES)}, "minItems": 2, "uniqueItems": True},
            "Axes that are walked level by level instead of combined.",
        ),
        "overrides": _list_of(_override(), "Other settings for some of the cells."),
        "tuning": _tuning(definitions),
        "claims": _list_of(_claim(definitions), "What the results are said to show, before the grid is run."),
        "wandb": _model(Wandb, definitions),
        "checkpoints": {"anyOf": [_model(CheckpointPolicy, definitions), {"const": "none"}]},
    }
    return {
        "$schema": _DIALECT,
        "title": "orch grid",
        "type": "object",
        "properties": properties,
        "required": ["name", "axes"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _axes(definitions: Schema) -> Schema:
    for axis in AXES:
        components = [registry.get(axis, name) for name in registry.names(axis)]
        families = registry.families(axis)
        alone = [member for family in families for member in family.alone().values()]
        one = {
            "anyOf": [
                *_names(components),
                *(_member_names(family) for family in families),
                *(_mapping(component, definitions) for component in components),
                *(_mapping(family.base, definitions, name=_member_names(family)) for family in families),
                *_names(alone),
                *(_mapping(component, definitions) for component in alone),
            ]
        }
        several = [{"type": "array", "items": one, "minItems": 1}] if axis == "regularizer" else []
        definitions[axis] = one
        definitions[f"{axis}_level"] = {"anyOf": [{"$ref": f"#/$defs/{axis}"}, *several]}
    levels = {axis: _one_or_list(f"{axis}_level") for axis in AXES}
    return {
        "type": "object",
        "description": "The factors of the grid; each combination of their levels is a cell.",
        "properties": levels,
        "required": [axis for axis in AXES if axis != "regularizer"],
        "additionalProperties": False,
    }


def _names(components: list[type[Component]]) -> list[Schema]:
    return [{"const": component.name, "description": summary_of(component)} for component in components]


def _member_names(family: ComponentFamily) -> Schema:
    return {"enum": [f"{family.prefix}:{name}" for name in family.members() if name not in family.alone()]}


def _mapping(component: type[Component], definitions: Schema, lists: bool = True, name: Schema | None = None) -> Schema:
    """A component with its parameters; `lists`: each parameter also takes a list of its values."""
    described = _model(component, definitions)
    properties = {key: _expandable(schema) if lists else schema for key, schema in described["properties"].items()}
    return described | {
        "properties": {"name": name or {"const": component.name}, **properties},
        "required": ["name", *described.get("required", [])],
    }


def _expandable(schema: Schema) -> Schema:
    """One value, or a list of them that stands for a level each."""
    about: Schema = {key: part for key, part in schema.items() if key in ("description", "default")}
    value = {key: part for key, part in schema.items() if key not in about}
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}], **about}


def _model(model: type[BaseModel], definitions: Schema) -> Schema:
    """A pydantic model's schema with its nested ones moved to `definitions`, and the docstrings of its fields."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    definitions |= schema.pop("$defs", {})
    docs = field_docs(model)
    for key, field in schema.setdefault("properties", {}).items():
        field.pop("title", None)
        if key in docs:
            field["description"] = docs[key]
    schema.pop("title", None)
    return schema | {"additionalProperties": False}


def _protocol(definitions: Schema) -> Schema:
    schema = _model(Protocol, definitions)
    schedules = [registry.get("schedule", name) for name in registry.names("schedule")]
    mappings = [_mapping(component, definitions, lists=False) for component in schedules]
    schema["properties"]["schedule"] = {
        "description": "How the learning rate changes over the training.",
        "anyOf": [*_names(schedules), *mappings],
    }
    return schema


def _tuning(definitions: Schema) -> Schema:
    schema = _model(Tuning, definitions)
    schema["properties"]["space"]["propertyNames"] = {"pattern": f"^({'|'.join(LEARNING_AXES)})\\."}
    return schema


def _claim(definitions: Schema) -> Schema:
    """Levels stand in a claim as components, or as the tables call them."""
    schema = _model(WrittenClaim, definitions)
    levels = {}
    for axis in AXES:
        level = {"anyOf": [{"$ref": f"#/$defs/{axis}_level"}, {"type": "string"}]}
        levels[axis] = {"anyOf": [level, {"type": "array", "items": level, "minItems": 1}]}
    definitions["arm"] = {"type": "object", "properties": levels, "minProperties": 1, "additionalProperties": False}
    for name in ARMS:
        about = schema["properties"][name]["description"]
        schema["properties"][name] = {"$ref": "#/$defs/arm", "description": about}
    return schema


def _seeds() -> Schema:
    seed = {"type": "integer", "minimum": 0}
    return {
        "description": "How many trials each cell has (seeds 0, 1, ...), or the seeds themselves.",
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "array", "items": seed, "minItems": 1, "uniqueItems": True},
        ],
    }


def _some_axes(use: str) -> Schema:
    levels = {axis: _one_or_list(f"{axis}_level") for axis in AXES}
    if use == "cell":
        levels = {axis: {"$ref": f"#/$defs/{axis}_level"} for axis in AXES}
        return {"type": "object", "properties": levels, "required": list(AXES[:3]), "additionalProperties": False}
    return {"type": "object", "properties": levels, "minProperties": 1, "additionalProperties": False}


def _override() -> Schema:
    settings = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^({'|'.join((*AXES, 'protocol', 'resources'))})\\."},
        "description": "Dotted names and their values, such as protocol.epochs: 30.",
    }
    return {
        "type": "object",
        "properties": {"when": _some_axes("rule"), "set": settings},
        "required": ["when", "set"],
        "additionalProperties": False,
    }


def _one_or_list(definition: str) -> Schema:
    level = {"$ref": f"#/$defs/{definition}"}
    return {"anyOf": [level, {"type": "array", "items": level, "minItems": 1}]}


def _list_of(items: Schema, about: str) -> Schema:
    return {"type": "array", "items": items, "description": about}
