"""Where in a file the errors of pydantic stand, and which keys may stand there."""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel

from clusters.yaml_file import At, YamlList, YamlMapping

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
