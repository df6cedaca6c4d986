"""What every component of a grid is: a frozen, validated configuration with a name and a version.

A component is one file with one class. Its fields are the parameters that a grid can set; its class variables say who it
is. Its canonical form is part of a trial's identity, so a changed meaning needs a new `version`.
"""

import json
from dataclasses import dataclass
from enum import Flag, auto
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


@dataclass(frozen=True)
class AddedLater:
    """Marks a parameter that joined a published component: at `keeps` it is left out of the canonical form.

    `keeps` is the value under which the component behaves as it did before, so identities of earlier results hold:
    `momentum: Annotated[float, AddedLater(keeps=0.0)] = 0.9`.
    """

    keeps: Any


@dataclass(frozen=True)
class NotIdentity:
    """Marks a parameter that does not change what is trained (a path, a time limit): never in the canonical form."""


class PerWorker(Flag):
    """What each worker of a trial does by itself, so that the training depends on how many there are (ADR 23)."""

    NOTHING = 0
    STATISTICS = auto()
    """Normalises by its own part of a batch (batch norm). Workers share this under `protocol.sync_batch_norm`."""
    DRAWS = auto()
    """Draws random numbers of its own, or mixes the examples of its own part."""


Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]  # more of anything is a slip of the pen, or meant to do harm
Depth = Annotated[int, Field(ge=1, le=10_000)]
"""Layers or blocks. Each costs time and memory before it has a weight, and a file of weights may ask for any number."""


def or_one(kind: type, schema: Any) -> BeforeValidator:
    """Validates a tuple, of which a single value of this kind may stand without brackets."""

    def as_tuple(value: Any) -> Any:
        if isinstance(value, kind):
            return (value,)
        return tuple(value) if isinstance(value, list) else value  # pydantic no longer knows that it came from JSON

    return BeforeValidator(as_tuple, json_schema_input_type=schema)


AnyCounts = Annotated[tuple[Count, ...], or_one(int, Count | tuple[Count, ...])]
Counts = Annotated[AnyCounts, Field(min_length=1)]
"""Sizes in order. A single one may stand without brackets: `hidden: 64` is `hidden: [64]`."""


class Component(BaseModel):
    """Base of all components. Fields are validated strictly: no text is read as a number, no fraction as a whole one."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, strict=True, protected_namespaces=(), defer_build=True
    )

    role: ClassVar[str]
    """The axis or role: `dataset`, `model`, `optimizer`, `regularizer`, `schedule`, `task`, `measurement`."""
    name: ClassVar[str]
    """How a grid names it."""
    version: ClassVar[int] = 1
    """Raised when the same parameters come to mean something else."""

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> Self:
        """Validate parameters as they stand in YAML (lists for tuples). Raises pydantic.ValidationError."""
        return cls.model_validate_json(json.dumps(parameters), strict=True)

    def canonical(self) -> str:
        """The fully resolved configuration as JSON: every default filled in, numbers in their shortest form."""
        return json.dumps(
            {"kind": self.role, "name": self.name, "version": self.version, "parameters": self._identity()},
            sort_keys=True,
            separators=(",", ":"),
        )

    def digest(self) -> bytes:
        """16 bytes that stand for `canonical()`."""
        return blake2b(self.canonical().encode(), digest_size=16).digest()

    def parameters(self) -> dict[str, Any]:
        """Return all parameters as JSON values, for tables and labels."""
        return self.model_dump(mode="json")

    def _identity(self) -> dict[str, Any]:
        left_out = _markers(type(self))
        values = self.parameters()
        for key in values:
            if isinstance(inner := getattr(self, key), Component):
                values[key] = _without_left_out(values[key], inner)
        return {key: value for key, value in values.items() if not _is_left_out(left_out.get(key), value)}


def _without_left_out(values: dict[str, Any], component: Component) -> dict[str, Any]:
    """A component inside another (a schedule in the protocol) leaves out what it would leave out by itself."""
    left_out = component.parameters().keys() - component._identity().keys()
    return {key: value for key, value in values.items() if key not in left_out}


def _is_left_out(marker: AddedLater | NotIdentity | None, value: Any) -> bool:
    match marker:
        case NotIdentity():
            return True
        case AddedLater(keeps):
            return bool(value == keeps)
        case None:
            return False


@cache
def _markers(component: type[Component]) -> dict[str, AddedLater | NotIdentity]:
    return {
        key: mark
        for key, field in component.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, AddedLater | NotIdentity)
    }
