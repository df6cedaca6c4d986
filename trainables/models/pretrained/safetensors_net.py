"""A model of this program that goes on from weights in a safetensors file, such as an earlier trial's."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, field_validator
from torch import Tensor, nn

from trainables.dataset import DataInfo, DataLocation
from trainables.errors import WeightsError, said_by
from trainables.interfaces import Model
from trainables.models.pretrained.base import UNTRAINED, Pretrained, found, names_file
from trainables.models.pretrained.inputs import InputForm
from trainables.models.pretrained.loading import mismatch
from trainables.training.meta import on_meta_device
from trainables.training.weights import WeightsHeader, read_header
from trainables.training.weights_origin import AnyModel, PerChannel, lacks_backbone, origin_of

_ANY: DataInfo = DataInfo("the weights", "image", (3, 1, 1), "classification", ("one", "other"))


@dataclass(frozen=True, slots=True)
class _Origin:
    """The net, and what is known of its inputs."""

    model: Model
    shape: tuple[int, int, int] | None
    """None where neither the file nor the grid says it: the data's own then."""
    mean: tuple[float, ...]
    std: tuple[float, ...]


class PretrainedSafetensors(Pretrained):
    """Any model of this program with the weights in a safetensors file, such as an earlier trial kept (`keep_weights`).

    The file says itself of which model its weights are, and which inputs they were trained with; a file that does not
    needs `model`, `mean` and `std`.
    """

    name: ClassVar[str] = "pretrained:safetensors"

    weights: Annotated[str, Field(min_length=1)]
    """Path of the file, looked for beside the grid file, then in the data folder."""
    model: AnyModel = None
    """Of which model the weights are, as an entry of the model axis; when not given, what the file says."""
    mean: PerChannel | None = None
    """Inputs were (pixels - mean) / std, of pixels in 0..1; when not given, what the file says."""
    std: PerChannel | None = None
    """Deviation of the pixels that the weights were trained on, for each channel; as the file says when not given."""

    @field_validator("weights")
    @classmethod
    def _is_a_path(cls, weights: str) -> str:
        if not names_file(weights):
            raise ValueError(f"{cls.name} needs the path of a .safetensors file, not {weights!r}")
        return weights

    @field_validator("std")
    @classmethod
    def _is_positive(cls, std: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if std is not None and min(std) <= 0:
            raise ValueError("a deviation has to be greater than 0")
        return std

    @property
    def reads_file(self) -> bool:
        return True

    def missing(self, location: DataLocation) -> str | None:
        published = self._published_net(found(self.weights, location))
        return None if published is None else published.missing(location)

    def fetch(self, location: DataLocation) -> None:
        if (published := self._published_net(found(self.weights, location))) is not None:
            published.fetch(location)

    def _weights(self) -> dict[str, Tensor]:
        own, published = super()._weights(), self._published_net(Path(self.weights))
        return own if published is None else {**published.backbone(), **own}

    def _published_net(self, path: Path) -> Pretrained | None:
        """The model whose published weights a file lacks; None where it is whole. Raises WeightsError."""
        if not lacks_backbone(_header(path).metadata):
            return None
        model = self._origin(path).model
        if not isinstance(model, Pretrained) or model.reads_file or model.weights == UNTRAINED:
            raise WeightsError(f"{path} lacks weights that {model.name} publishes none of")
        return model

    def _form(self, data: DataInfo) -> InputForm:
        origin = self._origin(Path(self.weights))
        channels, height, width = origin.shape or data.shape[-3:]
        side = (self.size, self.size) if self.size else (height, width)
        return InputForm((channels, *side), origin.mean, origin.std)

    def _net(self, data: DataInfo, outputs: int) -> nn.Module:
        return _unprepared(self._origin(Path(self.weights)).model).build(data, outputs)

    def _unsuitable(self, data: DataInfo) -> str | None:
        """Weights whose inputs are not known may fit one data set and not another."""
        path = Path(self.weights)
        form = self._form(data)
        if len(form.mean) not in (1, form.shape[0]) or len(form.std) not in (1, form.shape[0]):
            return f"mean and std need one number for each of {form.shape[0]} channels"
        return self._another_net(path, replace(data, shape=form.shape))

    def _published(self) -> tuple[str, str]:
        raise NotImplementedError("weights are always a file")

    def _refuse(self, path: Path) -> None:
        origin, published = self._origin(path), self._published_net(path)
        if published is not None:
            published.located(DataLocation(None, None, path.parent))  # raises where they are not installed
        if origin.shape is None:
            return
        side = (self.size, self.size) if self.size else origin.shape[1:]
        try:
            reason = self._another_net(path, replace(_ANY, shape=(origin.shape[0], *side)))
        except RecursionError:
            raise WeightsError(f"{path} says that it starts from itself") from None
        if reason:
            raise WeightsError(reason)

    def _another_net(self, path: Path, data: DataInfo) -> str | None:
        """Return why these are not the weights of the model on such data, or None."""
        model = _unprepared(self._origin(path).model)
        if reason := model.unsupported_reason(data):
            return reason
        try:
            net = on_meta_device(lambda: model.build(data, max(len(data.classes), data.targets)))
            shapes = _header(path).shapes
            if self._published_net(path) is not None:  # which has what the file lacks, in these shapes
                shapes = {**{name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}, **shapes}
            reason = mismatch(net, shapes, _header(path).whole)
        except RecursionError:
            raise
        except Exception as unfit:  # noqa: BLE001 - torch raises anything at sizes that a header may well claim
            reason = said_by(unfit)
        return reason and f"{path} has the weights of another network than {model.name}: {reason}"

    def _origin(self, path: Path) -> _Origin:
        """Read the origin from the grid where it says so, else from the file. Raises WeightsError where neither does."""
        try:
            said = origin_of(_header(path).metadata)
        except ValueError as wrong:
            raise WeightsError(f"{path} cannot be used: {wrong}") from None
        model = self.model or (said.model if said else None)
        mean, std = self.mean or (said.mean if said else None), self.std or (said.std if said else None)
        if model is None:
            raise WeightsError(
                f"{path} does not say of which model its weights are; give `model`, as on the model axis"
            )
        if mean is None or std is None:
            raise WeightsError(
                f"{path} does not say how its inputs were standardised; give `mean` and `std`, of pixels in 0..1 "
                "(mean: 0 and std: 1 where they were the pixels)"
            )
        if model.has_own_learner:
            raise WeightsError(f"{model.name} has a training procedure of its own, which cannot start from weights")
        return _Origin(model, said.shape if said else None, mean, std)


def _unprepared(model: Model) -> Model:
    """A net that was pretrained itself: what of it learns is said here, and its weights come from the file."""
    return model.model_copy(update={"tune": "all"}) if isinstance(model, Pretrained) else model


@lru_cache(maxsize=16)
def _header_as_it_was(path: Path, size: int, changed: int) -> WeightsHeader:
    return read_header(path)


def _header(path: Path) -> WeightsHeader:
    """Read once while the file does not change."""
    try:
        status = path.stat()
    except OSError as refused:
        raise WeightsError(f"cannot read the weights in {path}: {refused}") from refused
    return _header_as_it_was(path, status.st_size, status.st_mtime_ns)
