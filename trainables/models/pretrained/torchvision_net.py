"""Classifiers of torchvision with the weights that it publishes."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from re import search
from types import MethodType
from typing import Any, ClassVar, Final

import torch
from pydantic import model_validator
from torch import Tensor, nn

from trainables.data.published import download
from trainables.dataset import DataInfo, DataLocation
from trainables.errors import DataMissing, WeightsError, said_by
from trainables.models._layers import DropoutSite
from trainables.models.pretrained.base import DEFAULT, UNTRAINED, Pretrained
from trainables.models.pretrained.head import DroppedLinear
from trainables.models.pretrained.inputs import InputForm
from trainables.models.pretrained.loading import mismatch
from trainables.models.pretrained.tuning import head_of
from trainables.training.meta import on_meta_device
from trainables.training.weights import read_header

_LEFT_OUT: Final = ("AuxLogits.", "aux1.", "aux2.")
"""Auxiliary classifiers (Szegedy et al. 2015, sec. 5), which only ever helped the first training."""


class TorchvisionNet(Pretrained):
    """A torchvision classifier with ImageNet weights, downloaded once into torchvision's own folder or from a file."""

    name: ClassVar[str] = "pretrained:NAME"

    @model_validator(mode="after")
    def _names_known_weights(self) -> "TorchvisionNet":
        known = [weights.name for weights in _published_of(self._member)]
        if not self.reads_file and self.weights not in (DEFAULT, UNTRAINED, *known):
            raise ValueError(
                f"weights {self.weights!r} are not known for {self.name}; known: {DEFAULT}, {UNTRAINED}, "
                f"{', '.join(known)}, or the path of a .safetensors file"
            )
        return self

    def missing(self, location: DataLocation) -> str | None:
        if self.reads_file or self.weights == UNTRAINED or self._kept.is_file():
            return None
        return f"the weights of {self.name} were not found; looked for {self._kept}"

    def fetch(self, location: DataLocation) -> None:
        if self.missing(location) is not None:
            self._download()

    @property
    def _member(self) -> str:
        return self.name.partition(":")[2]

    @property
    def _chosen(self) -> Any:
        """The entry of torchvision that describes the weights; for others the default one, as for their inputs."""
        published = _published_of(self._member)
        return published[self.weights] if self.weights in published.__members__ else published.DEFAULT

    @property
    def _kept(self) -> Path:
        """Where torchvision keeps its downloads."""
        file: str = self._chosen.url.rpartition("/")[2]
        return Path(torch.hub.get_dir()) / "checkpoints" / file

    def _form(self, data: DataInfo) -> InputForm:
        preset = self._chosen.transforms()
        side = self.size or preset.crop_size[0]
        return InputForm((3, side, side), tuple(preset.mean), tuple(preset.std))

    def _net(self, data: DataInfo, outputs: int) -> nn.Module:
        net = _build(self._member, outputs, transforms_input=self.weights != UNTRAINED)
        _drop_before_the_head_alone(net)
        return net

    def _unsuitable(self, data: DataInfo) -> str | None:
        native = self._chosen.transforms().crop_size[0]
        if self.size is None or self.size == native:
            return None
        refused = _refused_size(self._member, self.size)
        return refused and f"{self.name} cannot read images of {self.size}x{self.size} pixels: {refused}"

    def _published(self) -> tuple[str, str]:
        return self._chosen.name, self._kept.stem

    def _refuse(self, path: Path) -> None:
        net = on_meta_device(lambda: _build(self._member, 2, transforms_input=False))
        header = read_header(path)
        if reason := mismatch(net, header.shapes, header.whole):
            raise WeightsError(f"{path} has the weights of another network than {self._member}: {reason}")

    def _weights(self) -> dict[str, Tensor]:
        if self.reads_file:
            return super()._weights()
        if not self._kept.is_file():  # a worker on another machine than the one that planned
            self._download()
        weights = _read_published(self._kept)
        return {name: tensor for name, tensor in weights.items() if not name.startswith(_LEFT_OUT)}

    def _download(self) -> None:
        file = self._kept

        def get(folder: Path) -> None:
            torch.hub.download_url_to_file(self._chosen.url, str(folder / file.name), _prefix(file), progress=False)

        try:
            download(f"the file of {self.name}", file.parent, get, [str(file)], f"put {file.name} into {file.parent}.")
        except DataMissing as missing:
            raise WeightsError(str(missing)) from missing


def names() -> Sequence[str]:
    """Return all classifiers of torchvision that have published weights, sorted."""
    from torchvision import models

    return tuple(models.list_models(module=models))


@cache
def _published_of(member: str) -> Any:
    from torchvision import models  # slow to import, and needed by these models alone

    return models.get_model_weights(member)


def _build(member: str, outputs: int, *, transforms_input: bool) -> nn.Module:
    from torchvision import models

    # the two nets of Szegedy et al. were trained on inputs in -1..1, and turn ImageNet's form into that themselves
    options = {"aux_logits": False, "init_weights": True, "transform_input": transforms_input}
    net: nn.Module = models.get_model(
        member, weights=None, num_classes=outputs, **(options if member in ("googlenet", "inception_v3") else {})
    )
    if isinstance(net, models.MNASNet):  # its own loader refuses weights that do not say from which version they are
        net._load_from_state_dict = MethodType(nn.Module._load_from_state_dict, net)
    return net


@cache
def _refused_size(member: str, side: int) -> str | None:
    """Return why the net cannot read squares of this side, in torch's words; None where it can."""
    net = on_meta_device(lambda: _build(member, 2, transforms_input=False)).eval()
    try:
        with torch.no_grad():
            net(torch.empty(1, 3, side, side, device="meta"))
    except (RuntimeError, ValueError, AssertionError, IndexError, NotImplementedError) as refused:
        return said_by(refused)
    return None


def _drop_before_the_head_alone(net: nn.Module) -> None:
    """The net's own dropout and stochastic depth off, and a place for dropout before the head."""
    from torchvision.ops import StochasticDepth

    for part in net.modules():
        if isinstance(part, nn.Dropout | StochasticDepth):
            part.p = 0.0
    name, head = head_of(net)
    above, _, key = name.rpartition(".")
    parent = net.get_submodule(above)
    if isinstance(head, nn.Linear):
        parent.register_module(key, DroppedLinear.around(head))
        return
    for key, part in list(parent.named_children()):  # SqueezeNet ends in a convolution, with dropout before it
        if isinstance(part, nn.Dropout):
            parent.register_module(key, DropoutSite())


def _prefix(file: Path) -> str | None:
    """The first digits of the SHA-256 that torchvision's file names carry."""
    found = search(r"-([a-f0-9]{8,})$", file.stem)
    return found and found[1]


def _read_published(file: Path) -> dict[str, Tensor]:
    """torchvision publishes pickles: only tensors are made of them, and only where the digest is that of their name."""
    try:
        digest = sha256(file.read_bytes()).hexdigest()
        if not digest.startswith(_prefix(file) or "-"):
            raise WeightsError(
                f"{file} is not what torchvision published (its SHA-256 begins with {digest[:8]}); delete it"
            )
        weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError) as refused:
        raise WeightsError(f"cannot read the weights in {file}: {refused}") from refused
    return weights
