"""What kept weights say of themselves: the model they are of, and the inputs they were trained with."""

import json
from collections.abc import Mapping
from numbers import Real
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from trainables.component import Count, or_one
from trainables.errors import BrokenComponent, UnknownComponent
from trainables.interfaces import Model
from trainables.registry import registry

_KEY: Final = "orch"
"""Of the metadata in a safetensors header."""
_BACKBONE: Final = "orch_backbone"
"""There where a file lacks what its model's published weights have, bit for bit; it names them."""


def _model(value: Any) -> Model | None:
    if value is None or isinstance(value, Model):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError("a model is a name, or a mapping with a name and parameters")
    parameters = {key: given for key, given in value.items() if key != "name"}
    try:
        component = registry.get("model", value["name"])
    except (UnknownComponent, BrokenComponent) as unknown:
        raise ValueError(str(unknown)) from None
    built = component.from_parameters(parameters)
    assert isinstance(built, Model)
    return built


def _named(model: Model | None) -> dict[str, Any] | None:
    return None if model is None else {"name": model.name, **model.parameters()}


AnyModel = Annotated[
    Model | None,
    PlainValidator(_model),
    PlainSerializer(_named, return_type=dict[str, Any] | None),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["name"]}, {"type": "null"}]}),
]
"""A model by its name, or a mapping of its name and parameters; null where the weights say it."""
PerChannel = Annotated[tuple[float, ...], Field(min_length=1), or_one(Real, float | tuple[float, ...])]
"""A number for each channel, or one for all, which may stand without brackets."""


class WeightsOrigin(BaseModel):
    """How the weights came to be, as far as using them needs it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    model: AnyModel
    shape: tuple[Count, Count, Count]
    """Channels, height and width of an input."""
    mean: PerChannel
    """Inputs were (pixels - mean) / std, of pixels in 0..1."""
    std: PerChannel

    @model_validator(mode="after")
    def _can_be_inverted(self) -> Self:
        if not all(value > 0 for value in self.std):
            raise ValueError("a deviation has to be greater than 0")
        if any(len(values) not in (1, self.shape[0]) for values in (self.mean, self.std)):
            raise ValueError("mean and std need one number for each channel")
        return self

    def metadata(self) -> dict[str, str]:
        """Return the metadata for the header of a safetensors file."""
        return {_KEY: self.model_dump_json()}


def origin_of(metadata: Mapping[str, str]) -> WeightsOrigin | None:
    """Return what the header of a file says; None where it says nothing. Raises ValueError where it makes no sense."""
    if _KEY not in metadata:
        return None
    try:
        origin = WeightsOrigin.model_validate_json(metadata[_KEY])
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"its header does not describe a model of this program ({place}: {first['msg']})") from None
    if origin.model is None:
        raise ValueError("its header does not describe a model")
    return origin


def without_backbone(model: Model) -> dict[str, str]:
    """Return the metadata of a file that lacks what the model's published weights have."""
    return {_BACKBONE: json.dumps(_named(model))}


def lacks_backbone(metadata: Mapping[str, str]) -> bool:
    """Whether a file is only whole with the published weights of the model that it names."""
    return _BACKBONE in metadata
