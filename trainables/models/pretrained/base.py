"""What all pretrained models share: their parameters, where a file is found, and that its content is what was planned."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from trainables.component import Count, PerWorker
from trainables.context import Context
from trainables.data.content import remembered
from trainables.dataset import DataInfo, DataLocation
from trainables.errors import DataError, WeightsError
from trainables.interfaces import Model, Regularizer, TrainingFacts
from trainables.models.pretrained.inputs import InputForm, PixelInputs, unreadable
from trainables.models.pretrained.loading import load
from trainables.models.pretrained.tuning import Tune, TunedNet
from trainables.training.weights import load_checked, weights_digest

if TYPE_CHECKING:
    from trainables.protocol import Protocol
    from trainables.training.prepare import Prepared

UNTRAINED: Final = "none"
DEFAULT: Final = "default"
_NET: Final = "net."
"""Where `TunedNet` has its net."""


class Pretrained(Model):
    """A net with weights from elsewhere; its head is made anew where the number of classes differs.

    The net sees pixels as its weights were trained with, whatever the data set's own preprocessing; its own dropout and
    stochastic depth are off, since the regularizer axis says what is dropped.
    """

    tune: Tune = "frozen"
    """What is trained: only the new head, the head and the last part before it, or everything."""
    size: Count | None = None
    """Side in pixels to which images are brought; when not given, what the weights were trained with."""
    weights: Annotated[str, Field(min_length=1)] = DEFAULT
    """default, none (freshly initialised, to compare with), or the path of a safetensors file."""
    content: Annotated[str, Field(pattern=r"^[\w.-]{4,100}$")] | None = None
    """Digest of the weights, by default computed; if it is given, other weights are refused."""

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.NOTHING if self.tune == "frozen" else super().per_worker

    def unsupported_protocol_reason(self, protocol: "Protocol") -> str | None:
        if protocol.sync_batch_norm and self.tune != "frozen":
            return f"{self.name} keeps statistics that it was trained with; leave sync_batch_norm out"
        return super().unsupported_protocol_reason(protocol)

    def unsupported_reason(self, data: DataInfo) -> str | None:
        return super().unsupported_reason(data) or unreadable(data) or self._unsuitable(data)

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        form = self._form(data)
        net = self._net(replace(data, shape=form.shape), outputs)
        return TunedNet(PixelInputs(data.channels, form), net, self.tune)

    def prepare(self, module: nn.Module, facts: TrainingFacts) -> None:
        assert isinstance(module, TunedNet)
        module.inputs.calibrate(facts.mean, facts.std)
        if self.weights != UNTRAINED:
            load(module.net, self._weights(), self.weights)

    def kept_state(self, module: nn.Module) -> dict[str, Tensor]:
        """Without what is bit for bit as it was published: of a frozen net all but its head, megabytes a trial."""
        state = super().kept_state(module)
        if self.weights == UNTRAINED or self.reads_file:  # a user's file may be gone tomorrow
            return state
        published = self.backbone()
        return {name: tensor for name, tensor in state.items() if not _is_same(tensor, published.get(name))}

    def backbone(self) -> dict[str, Tensor]:
        """The published weights, by the names that they have in a module of this model. Raises WeightsError where they are
        not those that were planned.
        """
        published, content = self._published()
        if self.content not in (None, content):
            raise WeightsError(f"the weights {published} of {self.name} are {content} here, and not {self.content}")
        return {f"{_NET}{name}": tensor for name, tensor in self._weights().items()}

    def cache_features(
        self,
        module: nn.Module,
        data: "Prepared",
        regularizers: Sequence[Regularizer],
        protocol: "Protocol",
        context: Context,
    ) -> "Prepared":
        from trainables.models.pretrained.features import with_features  # which imports what a model must not need

        assert isinstance(module, TunedNet)
        return with_features(self.canonical(), module, data, regularizers, protocol, context)

    def located(self, location: DataLocation) -> Self:
        weights, content = self._identified(location)
        if self.content not in (None, content):
            raise WeightsError(f"{self.weights} has the content {content}, and not {self.content}")
        return self.model_copy(update={"weights": weights, "content": content})

    @property
    def reads_file(self) -> bool:
        """Whether `weights` is a path of the user's."""
        return names_file(self.weights)

    @abstractmethod
    def _form(self, data: DataInfo) -> InputForm:
        """The inputs that the net sees."""

    @abstractmethod
    def _net(self, data: DataInfo, outputs: int) -> nn.Module:
        """The net, freshly initialised. data: as the net sees it."""

    @abstractmethod
    def _unsuitable(self, data: DataInfo) -> str | None:
        """Return why the net cannot read this data, or None."""

    @abstractmethod
    def _published(self) -> tuple[str, str]:
        """The name of weights that are no user's file, and what stands for their content."""

    @abstractmethod
    def _refuse(self, path: Path) -> None:
        """Raises WeightsError where a user's file is not of this net."""

    def _weights(self) -> dict[str, Tensor]:
        """The weights by name. Raises WeightsError where they are not those that were planned."""
        return load_checked(Path(self.weights), self.content)

    def _identified(self, location: DataLocation) -> tuple[str, str]:
        """Return where the weights are, and what stands for their content."""
        if self.weights == UNTRAINED:
            return UNTRAINED, UNTRAINED
        if not self.reads_file:
            return self._published()
        path = found(self.weights, location)
        self._refuse(path)
        try:
            digest = remembered(location, "weights", [path], lambda: weights_digest(path))
        except DataError as refused:
            raise WeightsError(str(refused)) from refused
        return str(path), digest

    def _identity(self) -> dict[str, Any]:
        """A file's content tells weights apart, and not its path."""
        values = super()._identity()
        if self.reads_file:
            del values["weights"]
        return values


def _is_same(tensor: Tensor, published: Tensor | None) -> bool:
    return published is not None and tensor.dtype == published.dtype and torch.equal(tensor.cpu(), published)


def names_file(weights: str) -> bool:
    """Whether this is a path: names of weights have neither dots nor slashes."""
    return "." in weights or "/" in weights


def found(weights: str, location: DataLocation) -> Path:
    """The file that a path means. Raises WeightsError where none is there."""
    try:
        path = location.find(str(Path(weights).expanduser()))
    except (OSError, RuntimeError, ValueError) as refused:
        raise WeightsError(f"cannot look for the weights {weights}: {refused}") from refused
    if path is None:
        folders = [str(folder) for folder in (location.beside, location.data) if folder is not None]
        looked = f"; looked in {' and '.join(folders)}" if folders and not Path(weights).is_absolute() else ""
        raise WeightsError(f"the weights {weights} are not there{looked}")
    return path
