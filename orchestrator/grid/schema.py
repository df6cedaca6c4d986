"""The JSON Schema of a grid file, every component included, so that an editor completes and checks it."""

from typing import Any, Final

from pydantic import BaseModel

from orchestrator.grid.claims_reader import ARMS, WrittenClaim
from orchestrator.grid.documentation import field_docs, first_line
from orchestrator.grid.settings import CheckpointPolicy, Resources, Wandb
from orchestrator.grid.spec import AXES
from orchestrator.grid.tuning_reader import AXES as TUNED_AXES
from orchestrator.grid.tuning_reader import Tuning
from trainables.component import Component
from trainables.family import ComponentFamily
from trainables.protocol import Protocol
from trainables.registry import registry

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
    return [{"const": component.name, "description": first_line(component)} for component in components]


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
    schema["properties"]["space"]["propertyNames"] = {"pattern": f"^({'|'.join(TUNED_AXES)})\\."}
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
