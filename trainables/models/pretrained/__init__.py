"""Nets with weights from elsewhere: `pretrained:resnet18` and all of torchvision's, `pretrained:efficientnet_lite0`,
`pretrained:safetensors`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from trainables.component import Component
from trainables.models._pretrained_names import OTHERS
from trainables.models.pretrained.efficientnet_lite0 import PretrainedEfficientNetLite0
from trainables.models.pretrained.safetensors_net import PretrainedSafetensors
from trainables.models.pretrained.torchvision_net import TorchvisionNet, names
from trainables.registry import ComponentNamespace

_SINGLE: Final[dict[str, type[Component]]] = dict(
    zip(OTHERS, (PretrainedEfficientNetLite0, PretrainedSafetensors), strict=True)
)


class PretrainedNamespace(ComponentNamespace):
    """`pretrained:SOURCE`."""

    kind = "model"
    prefix = "pretrained"
    base = TorchvisionNet

    def members(self) -> Sequence[str]:
        return sorted([*names(), *_SINGLE])

    def member(self, name: str) -> type[Component]:
        return _SINGLE[name] if name in _SINGLE else super().member(name)

    def alone(self) -> Mapping[str, type[Component]]:
        return _SINGLE
